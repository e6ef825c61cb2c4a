// Completion records on their way from the fabric threads to JavaScript.
//
// Threads: `put` may be called on any thread. Everything else belongs to the JavaScript thread. Lifetime: one
// thread-safe function carries all records of an engine. It keeps the event loop alive only while a call has begun and
// not completed. `shut` releases it, exactly once. Records that are put after that are dropped.
#pragma once

#include <napi.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "core/failure.h"

namespace kvferry {

struct Completion {
  uint32_t id = 0;
  Code code = Code::ok;
  std::string message;
  uint64_t bytes = 0;
  bool stopped = false;
  bool drained = true;
  // The grant or the connection that the operation made.
  uint64_t handle = 0;
  // An address, a token, or what both ends of a connection must have in common.
  std::string text;
};

class Outbox {
 public:
  Outbox(Napi::Env env, Napi::Function on_completions);
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void put(Completion completion);

  // Announces one `put`.
  void begin();
  // Delivers the waiting records and releases the thread-safe function.
  void shut(Napi::Env env);
  // As `shut`, when JavaScript can no longer be called.
  void abandon();
  // Any thread, at process exit: drops all further records. Releases nothing, because the environment is gone.
  void mute();

 private:
  void drain(Napi::Env env, Napi::Function on_completions);
  void release();

  std::mutex mutex_;
  std::vector<Completion> waiting_;
  bool open_ = true;

  Napi::ThreadSafeFunction signal_;
  Napi::FunctionReference on_completions_;
  uint32_t begun_ = 0;
};

}  // namespace kvferry
