#include "core/arena.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <exception>

#include "core/failure.h"
#include "core/memory_file_system.h"

namespace kvferry {
namespace {

constexpr int protection = PROT_READ | PROT_WRITE;

struct stat status_of(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) throw Failure(Code::arena_unavailable, describe_errno("fstat", errno));
  return status;
}

}  // namespace

Arena::Arena(std::string path, size_t bytes, int numa_node) : file_(std::move(path), bytes, numa_node) {
  try {
    mapping_ = Mapping(file_.fd(), bytes, protection, MAP_POPULATE);
    const auto page_bytes = memory_page_bytes(file_.fd());
    if (!page_bytes) throw Failure(Code::arena_unavailable, "not in a memory file system (tmpfs or hugetlbfs)");
    guard_.emplace(mapping_.data(), mapping_.bytes(), protection, *page_bytes);
    blocks_ = status_of(file_.fd()).st_blocks;
  } catch (const std::exception& error) {
    throw Failure(Code::arena_unavailable, "arena " + file_.path() + ": " + error.what());
  }
}

std::string Arena::fault() const {
  const struct stat status = status_of(file_.fd());
  if (static_cast<uint64_t>(status.st_size) < bytes()) return "its file was made smaller";
  if (status.st_blocks < blocks_ || guard_->damaged()) return "its file has lost pages";
  return "";
}

}  // namespace kvferry
