// What the JavaScript loop does for code that runs on it: it calls back when a descriptor is readable, before it sleeps,
// and at a time.
//
// Belongs to the JavaScript thread. It never keeps the loop alive: the outbox does, while a call has begun and not
// completed. Its handles outlive it until the loop has closed them, and the environment waits for that.
#pragma once

#include <node_api.h>

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

  // Throws std::system_error.
  LoopWatch(napi_env env, int fd, Owner& owner);
  ~LoopWatch();
  LoopWatch(const LoopWatch&) = delete;
  LoopWatch& operator=(const LoopWatch&) = delete;

  // Asks for one call of `before_sleep`, at the end of this turn of the loop.
  void ask_before_sleep();
  // Asks for one call of `due`, in place of the one that was asked for before. Cheap when both are at the same time.
  void ask_at(Deadline deadline);

 private:
  struct Handles;

  void timer_fired();

  Owner& owner_;
  Deadline asked_for_;
  Handles* handles_;
};

}  // namespace kvferry
