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
    : poller_(poller), options_(options), tag_(tag), socket_(ListeningSocket::open(options)) {
  poller_.add(socket_.fd.get(), tag_);
}

Entrance::~Entrance() {
  if (!paused_until_) poller_.remove(socket_.fd.get());
  socket_.close();
}

UniqueFd Entrance::accept() {
  UniqueFd fd(::accept4(socket_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd) return may_work_with(fd.get(), options_) ? std::move(fd) : UniqueFd();
  if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) pause();
  return fd;
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
