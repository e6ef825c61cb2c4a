// A memory file that this process created, with all of its pages reserved. Its owner removes it. If the owner is
// killed, the next process that makes a memory file in the same directory removes it.
#pragma once

#include <cstddef>
#include <string>

#include "core/unique_fd.h"

namespace kvferry {

class MemoryFile {
 public:
  // `numa_node`: as of `reserve`. Blocks as that does. Throws Failure(arena_unavailable).
  MemoryFile(std::string path, size_t bytes, int numa_node);
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  // Whether a process has the file as its MemoryFile now, by whatever name.
  static bool is_one(int fd);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  UniqueFd fd_;
};

}  // namespace kvferry
