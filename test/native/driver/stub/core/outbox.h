// Takes the place of src/native/cc/core/outbox.h in programs without JavaScript: it keeps the completions for them.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

#include "core/completion.h"

namespace kvferry {

class Outbox {
 public:
  void put(Completion completion) {
    std::lock_guard lock(mutex_);
    completions_.push_back(std::move(completion));
    changed_.notify_all();
  }
  void hold() {}
  void deliver() {}

  // The first completion of the id, if it comes in time.
  std::optional<Completion> of(uint32_t id, std::chrono::milliseconds patience) {
    std::unique_lock lock(mutex_);
    std::optional<Completion> found;
    changed_.wait_for(lock, patience, [&] {
      for (const Completion& completion : completions_) {
        if (completion.id == id) found = completion;
      }
      return found.has_value();
    });
    return found;
  }

  // How often the call was answered.
  size_t count(uint32_t id) {
    std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count_if(completions_.begin(), completions_.end(),
                                             [id](const Completion& completion) { return completion.id == id; }));
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Completion> completions_;
};

}  // namespace kvferry
