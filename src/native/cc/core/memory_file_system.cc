#include "core/memory_file_system.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

namespace kvferry {

// Only files of these file systems have seals, and the kernel answers without the file system.
std::optional<size_t> memory_page_bytes(int fd) {
  if (::fcntl(fd, F_GET_SEALS) < 0) return std::nullopt;
  struct statfs status = {};
  if (::fstatfs(fd, &status) == 0 && status.f_type == HUGETLBFS_MAGIC) return static_cast<size_t>(status.f_bsize);
  return static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace kvferry
