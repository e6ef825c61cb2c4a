// Takes the memory of a file.
#pragma once

#include <cstddef>

namespace kvferry {

// No node of the memory is wanted.
constexpr int any_numa_node = -1;

// Sizes the file and takes all of its pages now, so that a full memory file system is an error here and not a SIGBUS
// later. They are huge pages where the file system gives them on request (`huge=advise`), and come from `numa_node` only.
// Blocks while the kernel allocates and zeroes. Throws Failure(arena_unavailable).
void reserve(int fd, size_t bytes, int numa_node);

}  // namespace kvferry
