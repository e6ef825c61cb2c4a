// The receiver's memory. It stays as long as a sender may write into it.
#pragma once

#include <cstdint>
#include <string>

#include "core/memory.h"

namespace kvferry {

class Arena {
 public:
  Arena() = default;
  virtual ~Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  virtual const Memory& memory() const = 0;
  // Why bytes that arrive may be missing for engines; empty when none is. Any thread.
  virtual std::string fault() const = 0;

  uint64_t bytes() const { return memory().bytes; }
  // Only for an arena in the memory of the host.
  uint8_t* data() const { return memory().host(); }
  // Throws Failure(provider_unavailable) for an arena in the memory of a device.
  void require_host(const std::string& provider) const;
};

}  // namespace kvferry
