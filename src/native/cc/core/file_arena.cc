#include "core/file_arena.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <exception>

#include "core/failure.h"
#include "core/memory_file_system.h"

namespace kvferry {
namespace {

constexpr int protection = PROT_READ | PROT_WRITE;

}  // namespace

FileArena::FileArena(std::string path, size_t bytes, int numa_node) : file_(std::move(path), bytes, numa_node) {
  try {
    mapping_ = Mapping(file_.fd(), bytes, protection, MAP_POPULATE);
    const auto page_bytes = memory_page_bytes(file_.fd());
    if (!page_bytes) throw Failure(Code::arena_unavailable, "not in a memory file system (tmpfs or hugetlbfs)");
    memory_ = Memory::of_host(mapping_.data(), bytes);
    guard_.emplace(mapping_.data(), mapping_.bytes(), protection, *page_bytes);
    struct stat status = {};
    if (::fstat(file_.fd(), &status) != 0) throw Failure(Code::arena_unavailable, describe_errno("fstat", errno));
    blocks_ = status.st_blocks;
  } catch (const std::exception& error) {
    throw Failure(Code::arena_unavailable, "arena " + file_.path() + ": " + error.what());
  }
}

std::string FileArena::fault() const {
  struct stat status = {};
  if (::fstat(file_.fd(), &status) != 0) return describe_errno("fstat", errno);
  if (static_cast<uint64_t>(status.st_size) < bytes()) return "its file was made smaller";
  if (status.st_blocks < blocks_ || guard_->damaged()) return "its file has lost pages";
  return "";
}

}  // namespace kvferry
