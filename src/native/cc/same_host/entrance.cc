#include "same_host/entrance.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace kvferry::same_host {
namespace {

constexpr std::chrono::milliseconds pause_time{100};

}  // namespace

Entrance::Entrance(Poller& poller, const Options& options, uint64_t tag)
    : poller_(poller), any_user_(options.any_user), tag_(tag), socket_(ListeningSocket::open(options)) {
  poller_.add(socket_.fd.get(), tag_);
}

Entrance::~Entrance() {
  if (!paused_until_) poller_.remove(socket_.fd.get());
  socket_.close();
}

UniqueFd Entrance::accept() {
  UniqueFd fd(::accept4(socket_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd) return may_connect(fd.get()) ? std::move(fd) : UniqueFd();
  if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) pause();
  return fd;
}

// The kernel noted the user when the process connected.
bool Entrance::may_connect(int fd) const {
  if (any_user_) return true;
  ucred peer = {};
  socklen_t bytes = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

void Entrance::pause() {
  if (!paused_until_) poller_.remove(socket_.fd.get());
  paused_until_ = Clock::now() + pause_time;
}

void Entrance::resume_if_due() {
  if (!paused_until_ || Clock::now() < *paused_until_) return;
  try {
    poller_.add(socket_.fd.get(), tag_);
    paused_until_.reset();
  } catch (const std::system_error&) {
    pause();
  }
}

}  // namespace kvferry::same_host
