#include "core/loop_watch.h"

#include <uv.h>

#include <algorithm>
#include <system_error>

namespace kvferry {

struct LoopWatch::Handles {
  uv_poll_t poll;
  uv_prepare_t prepare;
  uv_timer_t timer;
  int open = 0;
  // Makes the environment wait, when it ends, until the loop has closed the handles.
  napi_async_cleanup_hook_handle hook = nullptr;
  LoopWatch* watch = nullptr;

  template <typename Handle>
  void adopt(Handle* handle) {
    handle->data = this;
    uv_unref(as_handle(handle));
    open++;
  }

  void close() {
    close(&poll);
    close(&prepare);
    close(&timer);
  }

  template <typename Handle>
  static uv_handle_t* as_handle(Handle* handle) {
    return reinterpret_cast<uv_handle_t*>(handle);
  }

  template <typename Handle>
  void close(Handle* handle) {
    if (handle->data == this) uv_close(as_handle(handle), on_closed);
  }

  static void on_closed(uv_handle_t* handle) {
    auto* handles = static_cast<Handles*>(handle->data);
    if (--handles->open > 0) return;
    if (handles->hook != nullptr) napi_remove_async_cleanup_hook(handles->hook);
    delete handles;
  }

  // The loop calls no handle that is being closed, so there is a watch.
  template <typename Handle>
  static LoopWatch& watch_of(Handle* handle) {
    return *static_cast<Handles*>(handle->data)->watch;
  }
};

LoopWatch::LoopWatch(napi_env env, int fd, Owner& owner) : owner_(owner), handles_(new Handles{}) {
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  handles_->watch = this;
  uv_prepare_init(loop, &handles_->prepare);
  handles_->adopt(&handles_->prepare);
  uv_timer_init(loop, &handles_->timer);
  handles_->adopt(&handles_->timer);
  const int refused = uv_poll_init(loop, &handles_->poll, fd);
  if (refused != 0) {
    handles_->close();
    throw std::system_error(-refused, std::generic_category(), "uv_poll_init");
  }
  handles_->adopt(&handles_->poll);
  // The owner ends the watch in a hook of its own, which runs before this one.
  napi_add_async_cleanup_hook(env, [](napi_async_cleanup_hook_handle, void*) {}, nullptr, &handles_->hook);
  uv_poll_start(&handles_->poll, UV_READABLE,
                [](uv_poll_t* handle, int, int) { Handles::watch_of(handle).owner_.readable(); });
}

LoopWatch::~LoopWatch() { handles_->close(); }

void LoopWatch::ask_before_sleep() {
  uv_prepare_start(&handles_->prepare, [](uv_prepare_t* handle) {
    uv_prepare_stop(handle);
    Handles::watch_of(handle).owner_.before_sleep();
  });
}

void LoopWatch::ask_at(Deadline deadline) {
  if (deadline == asked_for_) return;
  asked_for_ = deadline;
  if (!deadline) {
    uv_timer_stop(&handles_->timer);
    return;
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now()).count();
  uv_timer_start(
      &handles_->timer, [](uv_timer_t* handle) { Handles::watch_of(handle).timer_fired(); },
      static_cast<uint64_t>(std::max<int64_t>(left, 0)), 0);
}

void LoopWatch::timer_fired() {
  asked_for_.reset();
  owner_.due();
}

}  // namespace kvferry
