#include "core/poller.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <system_error>
#include <utility>

namespace kvferry {
namespace {

constexpr uint64_t wake_tag = std::numeric_limits<uint64_t>::max();
constexpr int events_max = 64;

void require(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

Deadline earliest(Deadline a, Deadline b) {
  if (!a) return b;
  if (!b) return a;
  return std::min(*a, *b);
}

Poller::Poller() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  require(epoll_.get(), "epoll_create1");
  require(wake_.get(), "eventfd");
  add(wake_.get(), wake_tag);
}

void Poller::add(int fd, uint64_t tag) {
  epoll_event event = {};
  event.events = EPOLLIN;
  event.data.u64 = tag;
  require(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

void Poller::watch_writable(int fd, uint64_t tag, bool on) {
  epoll_event event = {};
  event.events = on ? EPOLLIN | EPOLLOUT : EPOLLIN;
  event.data.u64 = tag;
  require(::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event), "epoll_ctl");
}

void Poller::remove(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

const std::vector<Poller::Ready>& Poller::poll_now() {
  if (!std::exchange(waited_, false)) poll(0);
  return ready_;
}

void Poller::wait(Deadline until) {
  int timeout_ms = -1;
  if (until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(*until - Clock::now()).count();
    timeout_ms = static_cast<int>(std::clamp<int64_t>(left, 0, std::numeric_limits<int>::max()));
  }
  poll(timeout_ms);
  waited_ = true;
}

void Poller::poll(int timeout_ms) {
  ready_.clear();
  epoll_event events[events_max];
  const int count = ::epoll_wait(epoll_.get(), events, events_max, timeout_ms);
  for (int i = 0; i < count; i++) {
    if (events[i].data.u64 == wake_tag) {
      uint64_t ignored = 0;
      if (::read(wake_.get(), &ignored, sizeof ignored) < 0 && errno != EAGAIN) require(-1, "eventfd read");
      continue;
    }
    const bool readable = (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0;
    ready_.push_back({events[i].data.u64, readable, (events[i].events & EPOLLOUT) != 0});
  }
}

// A write of 1 can fail only when the counter is full, and then the waiting thread wakes anyway.
void Poller::wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(wake_.get(), &one, sizeof one);
}

void Poller::close() {
  epoll_.reset();
  wake_.reset();
}

}  // namespace kvferry
