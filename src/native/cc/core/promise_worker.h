// Runs slow work on the thread pool and returns a promise. A Failure rejects the promise with its code and message.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <utility>

#include "core/failure.h"
#include "core/shield.h"

namespace kvferry {

// `work` runs on a pool thread and returns a value. `finish` turns that into a JavaScript value on the JavaScript
// thread.
template <typename Work, typename Finish>
class PromiseWorker final : public Napi::AsyncWorker {
 public:
  PromiseWorker(Napi::Env env, Work work, Finish finish)
      : AsyncWorker(env, "kvferry work"),
        work_(std::move(work)),
        finish_(std::move(finish)),
        deferred_(Napi::Promise::Deferred::New(env)) {}

  Napi::Promise promise() const { return deferred_.Promise(); }

 protected:
  void Execute() override {
    try {
      result_.emplace(work_());
    } catch (const std::exception& error) {
      fail(code_of(error), error.what());
    }
  }

  void OnOK() override {
    try {
      if (result_) {
        deferred_.Resolve(finish_(Env(), *std::move(result_)));
        return;
      }
    } catch (const std::exception& error) {
      fail(code_of(error), error.what());
    }
    deferred_.Reject(javascript_error(Env(), code_, message_).Value());
  }

 private:
  void fail(Code code, const std::string& message) {
    code_ = code;
    message_ = message;
  }

  Work work_;
  Finish finish_;
  std::optional<decltype(std::declval<Work>()())> result_;
  Code code_ = Code::internal;
  std::string message_;
  Napi::Promise::Deferred deferred_;
};

template <typename Work, typename Finish>
Napi::Value run_promise(Napi::Env env, Work work, Finish finish) {
  auto* worker = new PromiseWorker<Work, Finish>(env, std::move(work), std::move(finish));
  const Napi::Promise promise = worker->promise();
  worker->Queue();
  return promise;
}

}  // namespace kvferry
