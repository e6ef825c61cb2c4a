// epoll, and a way to wake the waiting thread from another thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/unique_fd.h"

namespace kvferry {

using Clock = std::chrono::steady_clock;
using Deadline = std::optional<Clock::time_point>;

// The earlier of two deadlines. No deadline means never.
Deadline earliest(Deadline a, Deadline b);

// The waiting thread alone may call the methods, except `wake`.
class Poller {
 public:
  struct Ready {
    uint64_t tag;
    bool readable;  // also when the other end hung up: a read tells them apart
    bool writable;
  };

  // Throws std::system_error.
  Poller();

  void add(int fd, uint64_t tag);
  void watch_writable(int fd, uint64_t tag, bool on);
  void remove(int fd);
  // What the last `wait` found, the first time, and what is ready now after that. Returns at once.
  const std::vector<Ready>& poll_now();
  // Returns when a descriptor is ready, when `wake` was called, or when `until` has passed.
  void wait(Deadline until);
  // Any thread.
  void wake();
  // Gives the descriptors back. Nothing is called afterwards.
  void close();
  // Readable when `poll_now` would find something.
  int fd() const { return epoll_.get(); }

 private:
  void poll(int timeout_ms);

  UniqueFd epoll_;
  UniqueFd wake_;
  std::vector<Ready> ready_;
  bool waited_ = false;
};

}  // namespace kvferry
