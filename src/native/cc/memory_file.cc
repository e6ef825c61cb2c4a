#include "memory_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "failure.h"

namespace kvferry {
namespace {

constexpr mode_t owner_only = 0600;

}  // namespace

MemoryFile::MemoryFile(std::string path, size_t bytes) : path_(std::move(path)) {
  fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, owner_only));
  if (!fd_) throw Failure(Code::arena_unavailable, describe_errno(path_ + " cannot be created", errno));
  // Reserving every page now turns a full memory file system into an error here instead of a SIGBUS later.
  int error = 0;
  do {
    error = ::posix_fallocate(fd_.get(), 0, static_cast<off_t>(bytes));
  } while (error == EINTR);
  if (error == 0) return;
  ::unlink(path_.c_str());
  throw Failure(Code::arena_unavailable,
                describe_errno(path_ + " has no room for " + std::to_string(bytes) + " bytes", error));
}

MemoryFile::~MemoryFile() { ::unlink(path_.c_str()); }

}  // namespace kvferry
