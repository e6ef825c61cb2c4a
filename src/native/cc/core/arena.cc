#include "core/arena.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include <exception>

#include "core/failure.h"

namespace kvferry {
namespace {

constexpr int protection = PROT_READ | PROT_WRITE;

}  // namespace

Arena::Arena(std::string path, size_t bytes) : file_(std::move(path), bytes) {
  try {
    mapping_ = Mapping(file_.fd(), bytes, protection, MAP_POPULATE);
    guard_.emplace(mapping_.data(), mapping_.bytes(), protection);
  } catch (const std::exception& error) {
    throw Failure(Code::arena_unavailable, "arena " + file_.path() + ": " + error.what());
  }
}

bool Arena::intact(uint64_t end) const {
  struct stat status = {};
  return ::fstat(file_.fd(), &status) == 0 && static_cast<uint64_t>(status.st_size) >= end && !guard_->damaged();
}

}  // namespace kvferry
