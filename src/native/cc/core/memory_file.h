// A file of memory that this process created, with all of its room reserved. It is removed with its owner, and if the
// owner is killed, by the next process that makes one beside it.
#pragma once

#include <cstddef>
#include <string>

#include "core/unique_fd.h"

namespace kvferry {

class MemoryFile {
 public:
  // Blocks while the memory is given and zeroed. Throws Failure(arena_unavailable).
  MemoryFile(std::string path, size_t bytes);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  UniqueFd fd_;
};

}  // namespace kvferry
