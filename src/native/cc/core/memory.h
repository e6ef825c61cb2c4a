// Memory that bytes are copied from or to: of the host, mapped into this process, or of a CUDA device.
//
// A value that owns nothing: any thread.
#pragma once

#include <cstdint>

namespace kvferry {

struct Memory {
  enum class Kind { host, cuda };

  Kind kind = Kind::host;
  // In this process's address space, which host and devices share.
  uint64_t address = 0;
  uint64_t bytes = 0;
  // Number of the device among those of this process; -1: the host.
  int device = -1;

  static Memory of_host(const void* data, uint64_t bytes) {
    return {Kind::host, reinterpret_cast<uint64_t>(data), bytes, -1};
  }

  bool on_host() const { return kind == Kind::host; }
  // Only for memory of the host.
  uint8_t* host() const { return reinterpret_cast<uint8_t*>(address); }
};

}  // namespace kvferry
