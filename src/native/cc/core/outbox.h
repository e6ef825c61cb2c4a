// Completion records on their way from the fabric threads to JavaScript.
//
// Threads: `put` may be called on any thread. Everything else belongs to the JavaScript thread.
// Lifetime: one thread-safe function carries all records of an engine. It keeps the event loop alive only while
// something that was begun has not completed. `shut` releases it, exactly once; records put after that are dropped.
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
  // What the operation made: a grant or a connection.
  uint64_t handle = 0;
  // A detail, an address or a token.
  std::string text;
};

class Outbox {
 public:
  Outbox(Napi::Env env, Napi::Function on_completions);
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void put(Completion completion);

  // Promises one `put`.
  void begin();
  // Hands over what is there and lets go of the thread-safe function.
  void shut(Napi::Env env);
  // As `shut`, where JavaScript can no longer be called.
  void abandon();
  // Any thread, at process exit: drops what comes from now on. There is no environment left to release anything in.
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
