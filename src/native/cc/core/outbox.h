// Completion records on their way from the fabric threads to JavaScript.
//
// Threads: `put` may be called on any thread. Everything else belongs to the JavaScript thread. Lifetime: one
// thread-safe function carries all records of an engine. It keeps the event loop alive only while a call has begun and
// not completed. `shut` releases it, exactly once. Records that are put after that are dropped.
//
// Code that the loop itself calls needs no thread-safe function: it puts its records between `hold` and `deliver`.
//
// Records reach JavaScript as numbers in an array that both sides know. Only records with a text cost a string.
#pragma once

#include <napi.h>

#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "core/completion.h"

namespace kvferry {

class Outbox {
 public:
  // `on_completions` receives a Float64Array that is used again for the next call, the count of the records in it, and an
  // array of their texts if there are any. completions.ts reads them.
  Outbox(Napi::Env env, Napi::Function on_completions);
  ~Outbox() { release(); }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  void put(Completion completion);

  // Records wait for `deliver` from now on.
  void hold();
  // Calls JavaScript with all waiting records. The last act of a callback of the loop, because JavaScript may do anything.
  void deliver();

  // Announces one `put`.
  void begin();
  // Delivers the waiting records and releases the thread-safe function.
  void shut();
  // As `shut`, when JavaScript can no longer be called.
  void abandon();
  // Any thread, at process exit: drops all further records. Releases nothing, because the environment is gone.
  void mute();

 private:
  void call(std::span<const Completion> records);
  void release();

  const napi_env env_;
  Napi::Reference<Napi::Float64Array> numbers_;
  Napi::FunctionReference on_completions_;
  Napi::ThreadSafeFunction signal_;
  uint32_t begun_ = 0;

  std::mutex mutex_;  // guards all members below
  std::vector<Completion> waiting_;
  bool held_ = false;
  bool open_ = true;
};

}  // namespace kvferry
