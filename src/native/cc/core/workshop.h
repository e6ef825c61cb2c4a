// A few threads for calls that block: registering gigabytes of memory, resolving the address of a card.
//
// Belongs to one thread, its owner. A task runs on a thread of the workshop, and what it returns runs on the owner's
// thread, in `deliver`. Then the owner alone touches its own state, and no part of it ends on another thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "core/poller.h"

namespace kvferry {

class Workshop {
 public:
  using Then = std::function<void()>;
  using Task = std::function<Then()>;

  // `poller`: of the owner. It wakes when there is something to deliver.
  Workshop(Poller& poller, size_t threads_max) : poller_(poller), threads_max_(threads_max) {}
  ~Workshop() { finish(); }
  Workshop(const Workshop&) = delete;
  Workshop& operator=(const Workshop&) = delete;

  // Tasks begin in the order in which they were given. Throws std::system_error when no thread can be started.
  void run(Task task);
  // Runs what ended tasks have returned. Returns whether there was anything. Throws what a task has thrown.
  bool deliver();
  // Waits for the tasks that have begun, forgets the others, and delivers.
  void finish();

 private:
  void work();
  // With the mutex.
  void keep(Then then, std::exception_ptr thrown);
  bool run_ended();

  Poller& poller_;
  const size_t threads_max_;
  std::vector<std::thread> threads_;

  std::mutex mutex_;  // guards all members below
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::vector<Then> ended_;
  std::exception_ptr thrown_;
  size_t idle_ = 0;
  bool finishing_ = false;
};

}  // namespace kvferry
