#include "core/outbox.h"

namespace kvferry {
namespace {

Napi::Object to_object(Napi::Env env, const Completion& completion) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("id", completion.id);
  object.Set("code", code_name(completion.code));
  object.Set("message", completion.message);
  object.Set("bytes", static_cast<double>(completion.bytes));
  object.Set("stopped", completion.stopped);
  object.Set("drained", completion.drained);
  object.Set("handle", static_cast<double>(completion.handle));
  object.Set("text", completion.text);
  return object;
}

}  // namespace

Outbox::Outbox(Napi::Env env, Napi::Function on_completions) : on_completions_(Napi::Persistent(on_completions)) {
  signal_ = Napi::ThreadSafeFunction::New(env, on_completions, "kvferry completions", 0, 1);
  signal_.Unref(env);
}

// Holds the mutex during the call, so that `release` cannot run between the check and the use.
void Outbox::put(Completion completion) {
  std::lock_guard lock(mutex_);
  if (!open_) return;
  waiting_.push_back(std::move(completion));
  if (waiting_.size() > 1) return;  // a call to `drain` is pending already
  signal_.NonBlockingCall([this](Napi::Env env, Napi::Function on_completions) { drain(env, on_completions); });
}

void Outbox::begin() {
  if (begun_++ == 0) signal_.Ref(on_completions_.Env());
}

void Outbox::drain(Napi::Env env, Napi::Function on_completions) {
  std::vector<Completion> batch;
  {
    std::lock_guard lock(mutex_);
    batch.swap(waiting_);
  }
  if (batch.empty()) return;
  begun_ -= static_cast<uint32_t>(batch.size());
  if (begun_ == 0 && open_) signal_.Unref(env);
  Napi::HandleScope scope(env);
  Napi::Array records = Napi::Array::New(env, batch.size());
  for (uint32_t i = 0; i < batch.size(); i++) records.Set(i, to_object(env, batch[i]));
  on_completions.Call({records});
}

void Outbox::shut(Napi::Env env) {
  if (!open_) return;
  drain(env, on_completions_.Value());
  release();
}

void Outbox::abandon() {
  if (open_) release();
}

void Outbox::mute() {
  std::lock_guard lock(mutex_);
  open_ = false;
}

void Outbox::release() {
  std::lock_guard lock(mutex_);
  open_ = false;
  waiting_.clear();
  signal_.Abort();
  on_completions_.Reset();
}

}  // namespace kvferry
