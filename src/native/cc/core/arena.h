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
  Arena(std::string path, size_t bytes, int numa_node);

  uint8_t* data() const { return mapping_.data(); }
  size_t bytes() const { return mapping_.bytes(); }
  // Why bytes that arrive may be missing in the file; empty when it is whole. Engines can write to the file, so they can
  // truncate it, or punch holes into it, by mistake.
  std::string fault() const;

 private:
  const MemoryFile file_;
  Mapping mapping_;
  std::optional<FaultGuard> guard_;
  int64_t blocks_ = 0;  // of the file, with all of its pages
};

}  // namespace kvferry
