#include "core/memory_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "core/failure.h"
#include "core/reserve.h"

namespace kvferry {
namespace {

constexpr mode_t owner_only = 0600;
// A file has this suffix until it is locked, so that no sweep finds it.
constexpr std::string_view unfinished_suffix = ".new";
// A sweep removes only files with this prefix.
constexpr std::string_view own_prefix = "kvferry-";

// The kernel drops the lock when the last process that has the file open ends, even if it is killed.
bool lock(const UniqueFd& fd) { return ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0; }

// Engines lock their files with `flock` too. So the memory of agents has a second lock, of a byte far behind its end.
struct flock marking_lock() {
  struct flock range = {};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  range.l_start = off_t{1} << 62;
  range.l_len = 1;
  return range;
}

bool mark(const UniqueFd& fd) {
  struct flock range = marking_lock();
  return ::fcntl(fd.get(), F_OFD_SETLK, &range) == 0;
}

// Removes files of dead processes: files in the same directory with a similar name (`kvferry-…-arena`) and without a
// lock.
void sweep(const std::string& path) {
  const size_t slash = path.rfind('/');
  const std::string directory = path.substr(0, slash + 1);
  const std::string_view own = std::string_view(path).substr(slash + 1);
  const size_t last = own.rfind('-');
  if (!own.starts_with(own_prefix) || last < own_prefix.size()) return;
  const std::string_view suffix = own.substr(last);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), ::closedir);
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(own_prefix) || !name.ends_with(suffix)) continue;
    const std::string found = directory + entry->d_name;
    const UniqueFd fd(::open(found.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (fd && lock(fd)) ::unlink(found.c_str());
  }
}

}  // namespace

MemoryFile::MemoryFile(std::string path, size_t bytes, int numa_node) : path_(std::move(path)) {
  sweep(path_);
  const std::string unfinished = path_ + std::string(unfinished_suffix);
  fd_ = UniqueFd(::open(unfinished.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, owner_only));
  const bool created = fd_ && lock(fd_) && mark(fd_) && ::link(unfinished.c_str(), path_.c_str()) == 0;
  const int refused = errno;
  if (fd_) ::unlink(unfinished.c_str());
  if (!created) throw Failure(Code::arena_unavailable, describe_errno(path_ + " cannot be created", refused));
  try {
    reserve(fd_.get(), bytes, numa_node);
  } catch (const Failure& failure) {
    ::unlink(path_.c_str());
    throw Failure(failure.code, path_ + ": " + failure.what());
  }
}

bool MemoryFile::is_one(int fd) {
  struct flock range = marking_lock();
  return ::fcntl(fd, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

MemoryFile::~MemoryFile() { ::unlink(path_.c_str()); }

}  // namespace kvferry
