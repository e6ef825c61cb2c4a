// Stands before the C library (LD_PRELOAD): while the file in KVFERRY_FAIL_SENDS exists, packets of unix sockets fail.
#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  using Send = ssize_t (*)(int, const msghdr*, int);
  static const auto send = reinterpret_cast<Send>(dlsym(RTLD_NEXT, "sendmsg"));
  int domain = 0;
  int type = 0;
  socklen_t length = sizeof domain;
  getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length);
  getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length);
  const char* fails = std::getenv("KVFERRY_FAIL_SENDS");
  if (domain == AF_UNIX && type == SOCK_SEQPACKET && fails != nullptr && access(fails, F_OK) == 0) {
    errno = ENOBUFS;
    return -1;
  }
  return send(fd, message, flags);
}
