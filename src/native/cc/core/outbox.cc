#include "core/outbox.h"

#include <algorithm>

namespace kvferry {
namespace {

// A record is five numbers: id, code, bytes, flags, handle.
constexpr size_t numbers_per_record = 5;
constexpr size_t records_per_call = 64;
constexpr int stopped_flag = 1;
constexpr int drained_flag = 2;
constexpr int message_flag = 4;
constexpr int text_flag = 8;

int flags_of(const Completion& completion) {
  int flags = 0;
  if (completion.stopped) flags |= stopped_flag;
  if (completion.drained) flags |= drained_flag;
  if (!completion.message.empty()) flags |= message_flag;
  if (!completion.text.empty()) flags |= text_flag;
  return flags;
}

void write_record(double* numbers, const Completion& completion) {
  numbers[0] = completion.id;
  numbers[1] = static_cast<double>(completion.code);
  numbers[2] = static_cast<double>(completion.bytes);
  numbers[3] = flags_of(completion);
  numbers[4] = static_cast<double>(completion.handle);
}

// Appends to the array of texts, which is made for the first one.
void append(napi_env env, napi_value& texts, uint32_t& count, const std::string& text) {
  if (text.empty()) return;
  if (texts == nullptr) napi_create_array(env, &texts);
  napi_value string = nullptr;
  napi_create_string_utf8(env, text.data(), text.size(), &string);
  napi_set_element(env, texts, count++, string);
}

// The messages and texts of the records in order, or undefined when there are none.
napi_value texts_of(napi_env env, std::span<const Completion> records) {
  napi_value texts = nullptr;
  uint32_t count = 0;
  for (const Completion& completion : records) {
    append(env, texts, count, completion.message);
    append(env, texts, count, completion.text);
  }
  if (texts == nullptr) napi_get_undefined(env, &texts);
  return texts;
}

}  // namespace

Outbox::Outbox(Napi::Env env, Napi::Function on_completions)
    : env_(env),
      numbers_(Napi::Persistent(Napi::Float64Array::New(env, records_per_call * numbers_per_record))),
      on_completions_(Napi::Persistent(on_completions)) {
  signal_ = Napi::ThreadSafeFunction::New(env, on_completions, "kvferry completions", 0, 1);
  signal_.Unref(env);
}

// Holds the mutex during the call, so that `release` cannot run between the check and the use.
void Outbox::put(Completion completion) {
  std::lock_guard lock(mutex_);
  if (!open_) return;
  waiting_.push_back(std::move(completion));
  if (held_ || waiting_.size() > 1) return;  // a call to `deliver` is pending already
  signal_.NonBlockingCall([this](Napi::Env, Napi::Function) { deliver(); });
}

void Outbox::begin() {
  if (begun_++ == 0) signal_.Ref(env_);
}

void Outbox::hold() {
  std::lock_guard lock(mutex_);
  held_ = true;
}

void Outbox::deliver() {
  std::vector<Completion> batch;
  {
    std::lock_guard lock(mutex_);
    held_ = false;
    if (!open_) return;
    batch.swap(waiting_);
  }
  if (batch.empty()) return;
  begun_ -= static_cast<uint32_t>(batch.size());
  if (begun_ == 0) signal_.Unref(env_);
  const Napi::HandleScope scope(env_);
  for (std::span<const Completion> rest(batch); !rest.empty();) {
    const size_t count = std::min(rest.size(), records_per_call);
    call(rest.first(count));
    rest = rest.subspan(count);
  }
}

// Plain Node-API: its C++ wrapper throws where JavaScript cannot run any more, because its thread is being terminated.
void Outbox::call(std::span<const Completion> records) {
  Napi::Float64Array numbers = numbers_.Value();
  for (size_t i = 0; i < records.size(); i++) write_record(numbers.Data() + i * numbers_per_record, records[i]);
  napi_value global = nullptr;
  napi_value count = nullptr;
  napi_get_global(env_, &global);
  napi_create_uint32(env_, static_cast<uint32_t>(records.size()), &count);
  const napi_value arguments[] = {numbers, count, texts_of(env_, records)};
  napi_make_callback(env_, nullptr, global, on_completions_.Value(), std::size(arguments), arguments, nullptr);
  bool thrown = false;
  if (napi_is_exception_pending(env_, &thrown) != napi_ok || !thrown) return;
  napi_value error = nullptr;
  napi_get_and_clear_last_exception(env_, &error);
  napi_fatal_exception(env_, error);
}

void Outbox::shut() {
  deliver();
  release();
}

void Outbox::abandon() { release(); }

void Outbox::mute() {
  std::lock_guard lock(mutex_);
  open_ = false;
}

void Outbox::release() {
  std::lock_guard lock(mutex_);
  if (!open_) return;
  open_ = false;
  waiting_.clear();
  signal_.Abort();
  numbers_.Reset();
  on_completions_.Reset();
}

}  // namespace kvferry
