// An arena in a file in memory that this process created, and that engines map.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/arena.h"
#include "core/fault_guard.h"
#include "core/mapping.h"
#include "core/memory_file.h"

namespace kvferry {

class FileArena final : public Arena {
 public:
  // Blocks as MemoryFile does. Throws Failure(arena_unavailable).
  FileArena(std::string path, size_t bytes, int numa_node);

  const Memory& memory() const override { return memory_; }
  // Engines can write to the file, so they can truncate it, or punch holes into it, by mistake.
  std::string fault() const override;

 private:
  const MemoryFile file_;
  Mapping mapping_;
  Memory memory_;
  std::optional<FaultGuard> guard_;
  int64_t blocks_ = 0;  // of the file, with all of its pages
};

}  // namespace kvferry
