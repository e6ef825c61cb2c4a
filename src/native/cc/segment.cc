#include "segment.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "failure.h"

namespace kvferry {
namespace {

constexpr uint64_t prefault_bytes = 2 << 20;

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

std::shared_ptr<Segment> open_segment(const std::string& path, std::unique_ptr<MemoryFile> own) {
  // O_NONBLOCK: opening a pipe must not wait for its other end.
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    const Code code = errno == ENOENT || errno == ENOTDIR ? Code::segment_not_found : Code::segment_invalid;
    throw Failure(code, describe_errno("segment file " + path, errno));
  }
  try {
    return std::make_shared<Segment>(std::move(fd), std::move(own));
  } catch (const Failure& failure) {
    throw Failure(failure.code, "segment file " + path + ": " + failure.what());
  }
}

}  // namespace

std::shared_ptr<Segment> Segment::open(const std::string& path) { return open_segment(path, nullptr); }

std::shared_ptr<Segment> Segment::create(const std::string& path, size_t bytes) {
  return open_segment(path, std::make_unique<MemoryFile>(path, bytes));
}

Segment::Segment(UniqueFd fd, std::unique_ptr<MemoryFile> own) : own_(std::move(own)), fd_(std::move(fd)) {
  struct stat status = {};
  if (::fstat(fd_.get(), &status) != 0) throw Failure(Code::segment_invalid, describe_errno("fstat", errno));
  if (!S_ISREG(status.st_mode)) throw Failure(Code::segment_invalid, "not a regular file");
  if (status.st_size == 0) throw Failure(Code::segment_invalid, "empty");
  try {
    mapping_ = Mapping(fd_.get(), static_cast<size_t>(status.st_size), PROT_READ, 0);
    guard_.emplace(mapping_.data(), mapping_.bytes());
  } catch (const std::exception& error) {
    throw Failure(Code::segment_invalid, error.what());
  }
  faulted_.resize((mapping_.bytes() + prefault_bytes - 1) / prefault_bytes);
}

bool Segment::contains(uint64_t offset, uint64_t length) const {
  return offset <= bytes() && length <= bytes() - offset;
}

bool Segment::intact(uint64_t end) const {
  struct stat status = {};
  if (::fstat(fd_.get(), &status) != 0) return false;
  return static_cast<uint64_t>(status.st_size) >= end && !guard_->damaged();
}

// An advice only: older kernels refuse it and a shrunk file cannot be populated, and then the reader faults by itself.
void Segment::prefault(uint64_t offset, uint64_t length) {
  const uint64_t last = (offset + length - 1) / prefault_bytes;
  for (uint64_t i = offset / prefault_bytes; i <= last; i++) {
    if (faulted_[i]) continue;
    faulted_[i] = true;
    const uint64_t start = i * prefault_bytes;
    ::madvise(mapping_.data() + start, std::min<uint64_t>(prefault_bytes, bytes() - start), MADV_POPULATE_READ);
  }
}

}  // namespace kvferry
