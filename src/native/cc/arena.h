// The receiver's memory: a file this process created, mapped for as long as anybody may write into it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "mapping.h"
#include "memory_file.h"

namespace kvferry {

class Arena {
 public:
  // Blocks as MemoryFile does. Throws Failure(arena_unavailable).
  Arena(std::string path, size_t bytes);

  uint8_t* data() const { return mapping_.data(); }
  size_t bytes() const { return mapping_.bytes(); }

 private:
  const MemoryFile file_;
  Mapping mapping_;
};

}  // namespace kvferry
