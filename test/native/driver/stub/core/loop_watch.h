// Takes the place of src/native/cc/core/loop_watch.h in programs without JavaScript. Each `turn` is one turn of a loop, on
// the thread that made the watches.
#pragma once

#include <node_api.h>
#include <poll.h>

#include <set>
#include <utility>

#include "core/poller.h"

namespace kvferry {

class LoopWatch {
 public:
  class Owner {
   public:
    virtual void readable() = 0;
    virtual void before_sleep() = 0;
    virtual void due() = 0;

   protected:
    ~Owner() = default;
  };

  LoopWatch(napi_env, int fd, Owner& owner) : fd_(fd), owner_(owner) { watches().insert(this); }
  ~LoopWatch() { watches().erase(this); }
  LoopWatch(const LoopWatch&) = delete;
  LoopWatch& operator=(const LoopWatch&) = delete;

  void ask_before_sleep() { asked_ = true; }
  void ask_at(Deadline deadline) { deadline_ = deadline; }

  static void turn() {
    for (LoopWatch* watch : std::set(watches())) watch->act();
  }

 private:
  static std::set<LoopWatch*>& watches() {
    thread_local std::set<LoopWatch*> watches;
    return watches;
  }

  void act() {
    if (std::exchange(asked_, false)) owner_.before_sleep();
    pollfd descriptor = {fd_, POLLIN, 0};
    if (::poll(&descriptor, 1, 0) > 0) owner_.readable();
    if (deadline_ && Clock::now() >= *deadline_) owner_.due();
  }

  const int fd_;
  Owner& owner_;
  bool asked_ = false;
  Deadline deadline_;
};

}  // namespace kvferry
