#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>

#include "tcp/wire.h"

namespace kvferry::tcp {
namespace {

// Bytes for which it is worth waking.
constexpr uint64_t wake_bytes = 128 << 10;

ssize_t moved_or_error(ssize_t moved) {
  if (moved >= 0) return moved;
  return errno == EINTR ? -EAGAIN : -errno;
}

}  // namespace

void Wire::wake_at(uint64_t bytes) {
  const auto wanted = static_cast<int>(std::clamp<uint64_t>(bytes, 1, wake_bytes));
  if (wanted == wake_at_) return;
  wake_at_ = wanted;
  ::setsockopt(fd(), SOL_SOCKET, SO_RCVLOWAT, &wanted, sizeof wanted);
}

ssize_t PlainWire::send(const uint8_t* bytes, size_t length, bool more) {
  return moved_or_error(::send(fd(), bytes, length, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0)));
}

// The kernel sends the pages of the file themselves. A file that cannot be sent that way (hugetlbfs) gives EINVAL.
ssize_t PlainWire::send_file(int file, uint64_t offset, size_t length) {
  auto position = static_cast<off_t>(offset);
  const ssize_t moved = moved_or_error(::sendfile(fd(), file, &position, length));
  return moved == -EINVAL || moved == -ENOSYS ? -EOPNOTSUPP : moved;
}

ssize_t PlainWire::receive(Space first, Space second) {
  iovec parts[] = {{first.bytes, first.length}, {second.bytes, second.length}};
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = second.length == 0 ? 1 : 2;
  return moved_or_error(::recvmsg(fd(), &message, MSG_DONTWAIT));
}

ssize_t PlainWire::discard(size_t length) {
  return moved_or_error(::recv(fd(), nullptr, length, MSG_TRUNC | MSG_DONTWAIT));
}

void PlainWire::wait_for(uint64_t bytes) { wake_at(bytes); }

void PlainWire::finish() { ::shutdown(fd(), SHUT_WR); }

}  // namespace kvferry::tcp
