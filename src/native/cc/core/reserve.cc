#include "core/reserve.h"

#include <fcntl.h>
#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

#include "core/failure.h"
#include "core/mapping.h"

namespace kvferry {
namespace {

// A signal ends a step early, so steps are not too long.
constexpr size_t populate_bytes = 256 << 20;
constexpr unsigned nodes_per_word = 8 * sizeof(unsigned long);

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

[[noreturn]] void fail(size_t bytes, int error) {
  throw Failure(Code::arena_unavailable, describe_errno("no room for " + std::to_string(bytes) + " bytes", error));
}

// The kernel would allocate until the file system is full, and give everything back only then.
void require_room(int fd, size_t bytes) {
  struct statfs status = {};
  if (::fstatfs(fd, &status) != 0 || status.f_blocks == 0) return;
  if (bytes / static_cast<size_t>(status.f_bsize) > static_cast<size_t>(status.f_bavail)) fail(bytes, ENOSPC);
}

// The policy belongs to the file, so it holds for every process that touches a page first.
void bind_to(const Mapping& mapping, int node) {
  std::vector<unsigned long> nodes(static_cast<size_t>(node) / nodes_per_word + 1);
  nodes.back() = 1UL << (static_cast<unsigned>(node) % nodes_per_word);
  // The kernel reads one bit less than the argument says.
  const unsigned long bits = nodes.size() * nodes_per_word + 1;
  if (::syscall(SYS_mbind, mapping.data(), mapping.bytes(), MPOL_BIND, nodes.data(), bits, 0) == 0) return;
  throw Failure(Code::arena_unavailable, describe_errno("memory of NUMA node " + std::to_string(node), errno));
}

// Returns an error number: EINVAL when the kernel (before 5.14) cannot do it.
int populate(const Mapping& mapping) {
  for (size_t done = 0; done < mapping.bytes();) {
    const size_t step = std::min(populate_bytes, mapping.bytes() - done);
    if (::madvise(mapping.data() + done, step, MADV_POPULATE_WRITE) == 0) {
      done += step;
    } else if (errno != EINTR && errno != EAGAIN) {
      // EFAULT: touching a page would have raised SIGBUS, because there is none left.
      return errno == EFAULT ? ENOSPC : errno;
    }
  }
  return 0;
}

int allocate(int fd, size_t bytes) {
  int error = 0;
  do {
    error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  return error;
}

}  // namespace

void reserve(int fd, size_t bytes, int numa_node) {
  require_room(fd, bytes);
  if (::ftruncate(fd, static_cast<off_t>(bytes)) != 0) fail(bytes, errno);
  try {
    const Mapping mapping(fd, bytes, PROT_READ | PROT_WRITE, 0);
    // posix_fallocate would take small pages before a mapping could ask for huge ones.
    ::madvise(mapping.data(), bytes, MADV_HUGEPAGE);
    if (numa_node != any_numa_node) bind_to(mapping, numa_node);
    const int error = populate(mapping);
    if (error == 0) return;
    if (error != EINVAL) fail(bytes, error);
  } catch (const std::system_error& error) {
    fail(bytes, error.code().value());
  }
  const int error = allocate(fd, bytes);
  if (error != 0) fail(bytes, error);
}

}  // namespace kvferry
