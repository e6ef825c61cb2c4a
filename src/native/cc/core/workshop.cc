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
  std::exception_ptr thrown;
  {
    std::lock_guard lock(mutex_);
    std::swap(thrown, thrown_);
  }
  if (thrown) std::rethrow_exception(thrown);
  return run_ended();
}

bool Workshop::run_ended() {
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
  run_ended();
}

void Workshop::work() {
  block_signals();
  std::unique_lock lock(mutex_);
  for (;;) {
    idle_++;
    changed_.wait(lock, [this] { return finishing_ || !tasks_.empty(); });
    idle_--;
    if (tasks_.empty()) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    std::exception_ptr thrown;
    Then then;
    try {
      then = task();
    } catch (...) {
      thrown = std::current_exception();
    }
    // Ends before the owner can have `then`: what both hold ends on the owner's thread.
    task = nullptr;
    lock.lock();
    keep(std::move(then), std::move(thrown));
    poller_.wake();
  }
}

void Workshop::keep(Then then, std::exception_ptr thrown) {
  if (!thrown) {
    try {
      ended_.push_back(std::move(then));
      return;
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  if (!thrown_) thrown_ = std::move(thrown);
}

}  // namespace kvferry
