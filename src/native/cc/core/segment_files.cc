#include "core/segment_files.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/failure.h"
#include "core/memory_file.h"

namespace kvferry {
namespace {

UniqueFd open_below(int directory, const std::string& name, int flags) {
  open_how how = {};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, directory, name.c_str(), &how, sizeof how)));
}

bool is_of_processes(int fd) {
  struct statfs status = {};
  return ::fstatfs(fd, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}

// What the process lacks passes. Anything else is a fault of the settings.
Failure unusable(const std::string& what, int error) {
  const bool lacking = error == EMFILE || error == ENFILE || error == ENOMEM;
  return Failure(lacking ? Code::fabric_error : Code::invalid_configuration, describe_errno(what, error));
}

UniqueFd open_directory(const std::string& path) {
  const std::string what = "segment directory " + path;
  UniqueFd fd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw unusable(what, errno);
  if (open_below(fd.get(), ".", O_PATH)) return fd;
  throw unusable(what + ": openat2 is refused (it needs Linux 5.6, and a seccomp profile that allows it)", errno);
}

Failure unreachable(const std::string& path, int error) {
  const bool missing = error == ENOENT || error == ENOTDIR;
  const std::string what = "segment file " + path;
  if (missing) return Failure(Code::segment_not_found, describe_errno(what, error));
  if (error == ELOOP || error == EXDEV) {
    return Failure(Code::segment_invalid, what + ": a link leads to it, or out of its directory: name the file itself");
  }
  return Failure(Code::segment_invalid, describe_errno(what, error));
}

}  // namespace

SegmentFiles::SegmentFiles(const SegmentRules& rules) : owners_(rules.owners) {
  for (const std::string& path : rules.directories) {
    UniqueFd fd = open_directory(path);
    const bool of_processes = is_of_processes(fd.get());
    directories_.push_back({path, std::move(fd), of_processes});
  }
}

std::shared_ptr<Segment> SegmentFiles::open(size_t directory, const std::string& name) const {
  // O_NONBLOCK: opening a pipe must not wait until its other end is opened.
  UniqueFd fd = reach(directory, name, O_RDONLY | O_NONBLOCK);
  try {
    auto segment = std::make_shared<Segment>(std::move(fd));
    require_attachable(segment->fd());
    return segment;
  } catch (const Failure& failure) {
    throw Failure(failure.code, "segment file " + directories_[directory].path + "/" + name + ": " + failure.what());
  }
}

FileIdentity SegmentFiles::look(size_t directory, const std::string& name) const {
  return identity_of(reach(directory, name, O_PATH).get());
}

UniqueFd SegmentFiles::reach(size_t directory, const std::string& name, int flags) const {
  if (directory >= directories_.size()) throw Failure(Code::segment_invalid, "no directory for segments has this number");
  const auto& [path, root, of_processes] = directories_[directory];
  const std::string whole = path + "/" + name;
  if (!of_processes) {
    UniqueFd fd = open_below(root.get(), name, flags);
    if (!fd) throw unreachable(whole, errno);
    return fd;
  }
  const size_t slash = name.rfind('/');
  if (slash == std::string::npos) throw Failure(Code::segment_invalid, whole + " is no descriptor of a process");
  const UniqueFd above = open_below(root.get(), name.substr(0, slash), O_PATH | O_DIRECTORY);
  if (!above) throw unreachable(whole, errno);
  UniqueFd fd(::openat(above.get(), name.c_str() + slash + 1, flags | O_CLOEXEC));
  if (!fd) throw unreachable(whole, errno);
  struct stat status = {};
  if (::fstat(fd.get(), &status) != 0) throw Failure(Code::segment_invalid, describe_errno("fstat", errno));
  if (status.st_nlink != 0) {
    throw Failure(Code::segment_invalid, "segment file " + whole + ": the file has a name, by which it must be attached");
  }
  return fd;
}

// The memory of an agent has its mark before it has a size, and a segment has a size. So no arena is looked at before its mark is there.
void SegmentFiles::require_attachable(int fd) const {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) throw Failure(Code::segment_invalid, describe_errno("fstat", errno));
  if (std::find(owners_.begin(), owners_.end(), status.st_uid) == owners_.end()) {
    throw Failure(Code::segment_invalid, "it belongs to user " + std::to_string(status.st_uid) +
                                             ", who is not in --segment-owner of the agent");
  }
  if (MemoryFile::is_one(fd)) throw Failure(Code::segment_invalid, "it is the memory of an agent: attach a file of the engine");
}

}  // namespace kvferry
