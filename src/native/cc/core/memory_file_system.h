// Which files are memory.
#pragma once

#include <cstddef>
#include <optional>

namespace kvferry {

// The size of the pages of a file in a memory file system (tmpfs or hugetlbfs, so memfds too). Empty for any other file.
//
// Nothing of a file may be asked before this is known: another file system may not answer, and then the thread that asks
// waits for ever.
std::optional<size_t> memory_page_bytes(int fd);

}  // namespace kvferry
