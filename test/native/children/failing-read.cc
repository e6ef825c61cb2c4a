// Stands before the C library (LD_PRELOAD): while the file in KVFERRY_FAIL_READS exists, files with the name `segment` cannot be
// read. When that file says `end`, they seem to have ended.
#include <dlfcn.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

namespace {

bool is_segment(int fd) {
  char path[256] = {};
  const ssize_t length = readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return length > 0 && std::string_view(path, static_cast<size_t>(length)).ends_with("/segment");
}

}  // namespace

extern "C" ssize_t pread64(int fd, void* to, size_t bytes, off64_t offset) {
  using Read = ssize_t (*)(int, void*, size_t, off64_t);
  static const auto read = reinterpret_cast<Read>(dlsym(RTLD_NEXT, "pread64"));
  const char* fails = std::getenv("KVFERRY_FAIL_READS");
  std::ifstream failure(fails == nullptr ? "" : fails);
  if (failure && is_segment(fd)) {
    std::string how;
    failure >> how;
    errno = EIO;
    return how == "end" ? 0 : -1;
  }
  return read(fd, to, bytes, offset);
}

extern "C" ssize_t pread(int fd, void* to, size_t bytes, off_t offset) { return pread64(fd, to, bytes, offset); }
