// The receiver's memory: a file that this process created. It stays mapped as long as a sender may write into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/fault_guard.h"
#include "core/mapping.h"
#include "core/memory_file.h"

namespace kvferry {

class Arena {
 public:
  // Blocks as MemoryFile does. Throws Failure(arena_unavailable).
  Arena(std::string path, size_t bytes);

  uint8_t* data() const { return mapping_.data(); }
  size_t bytes() const { return mapping_.bytes(); }
  // Whether the file still reaches to `end` and every write so far met it. Engines can write to the file, so they can
  // truncate it by mistake.
  bool intact(uint64_t end) const;

 private:
  const MemoryFile file_;
  Mapping mapping_;
  std::optional<FaultGuard> guard_;
};

}  // namespace kvferry
