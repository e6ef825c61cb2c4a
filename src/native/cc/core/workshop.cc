#include "core/workshop.h"

#include <system_error>
#include <utility>

#include "core/signals.h"

namespace kvferry {

void Workshop::run(Task task) {
  std::lock_guard lock(mutex_);
  if (idle_ <= tasks_.size() && threads_.size() < threads_max_) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // The threads that there are take the task, one after the other.
      if (threads_.empty()) throw;
    }
  }
  tasks_.push_back(std::move(task));
  changed_.notify_one();
}

bool Workshop::deliver() {
  std::vector<Then> ended;
  {
    std::lock_guard lock(mutex_);
    ended.swap(ended_);
  }
  for (const Then& then : ended) then();
  return !ended.empty();
}

void Workshop::finish() {
  {
    std::lock_guard lock(mutex_);
    finishing_ = true;
    tasks_.clear();
    changed_.notify_all();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  deliver();
}

void Workshop::work() {
  block_signals();
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_++;
    changed_.wait(lock, [this] { return finishing_ || !tasks_.empty(); });
    idle_--;
    if (tasks_.empty()) return;
    Then then;
    {
      // Ends before the owner can have `then`: what both hold ends on the owner's thread.
      const Task task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      then = task();
    }
    lock.lock();
    ended_.push_back(std::move(then));
    poller_.wake();
  }
}

}  // namespace kvferry
