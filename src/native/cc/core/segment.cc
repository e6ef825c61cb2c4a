#include "core/segment.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/failure.h"
#include "core/memory_file_system.h"

namespace kvferry {

FileIdentity identity_of(int fd) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) throw Failure(Code::segment_invalid, describe_errno("fstat", errno));
  return {std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino), static_cast<uint64_t>(status.st_size)};
}

std::shared_ptr<Segment> Segment::create(const std::string& path, size_t bytes, int numa_node) {
  auto own = std::make_unique<MemoryFile>(path, bytes, numa_node);
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) throw Failure(Code::segment_invalid, describe_errno(path, errno));
  if (identity_of(fd.get()).file != identity_of(own->fd()).file) {
    throw Failure(Code::segment_invalid, path + ": another file has its name");
  }
  return std::make_shared<Segment>(std::move(fd), std::move(own));
}

Segment::Segment(UniqueFd fd, std::unique_ptr<MemoryFile> own) : own_(std::move(own)), fd_(std::move(fd)) {
  const auto page_bytes = memory_page_bytes(fd_.get());
  if (!page_bytes) throw Failure(Code::segment_invalid, "not a file in memory (tmpfs, hugetlbfs or memfd)");
  page_bytes_ = *page_bytes;
  struct stat status = {};
  if (::fstat(fd_.get(), &status) != 0) throw Failure(Code::segment_invalid, describe_errno("fstat", errno));
  if (!S_ISREG(status.st_mode)) throw Failure(Code::segment_invalid, "not a regular file");
  if (status.st_size == 0) throw Failure(Code::segment_invalid, "the file is empty");
  bytes_ = static_cast<size_t>(status.st_size);
  // Only a file of memfd_create can have this seal.
  const int seals = ::fcntl(fd_.get(), F_GET_SEALS);
  sealed_ = seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

std::string no_memory_behind(uint64_t offset, uint64_t length) {
  return "no memory behind bytes " + std::to_string(offset) + " to " + std::to_string(offset + length - 1) +
         " of the file: is its file system full?";
}

void Segment::read(const SourceRange& range, uint8_t* to) const {
  for (uint64_t done = 0; done < range.length;) {
    const ssize_t count =
        ::pread(fd_.get(), to + done, range.left_in_piece(done), static_cast<off_t>(range.at(done)));
    if (count == 0) throw Failure(Code::segment_invalid, segment_shrank);
    if (count > 0) {
      done += static_cast<uint64_t>(count);
    } else if (errno != EINTR) {
      throw Failure(Code::segment_invalid, describe_errno("reading the source file", errno));
    }
  }
}

bool Segment::intact(uint64_t end) const {
  if (sealed_ || device_) return end <= bytes_;
  struct stat status = {};
  return ::fstat(fd_.get(), &status) == 0 && static_cast<uint64_t>(status.st_size) >= end;
}

}  // namespace kvferry
