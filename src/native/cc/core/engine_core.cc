#include "core/engine_core.h"

#include <cstdlib>
#include <set>

#include "cuda/device.h"
#include "libfabric/transport.h"
#include "same_host/transport.h"
#include "tcp/transport.h"

namespace kvferry {
namespace {

// Every core that is not shut down, for the end of the process. Never destroyed, so that the order of static
// destruction does not matter.
struct LiveCores {
  std::mutex mutex;
  std::set<EngineCore*> cores;
};

void shut_down_all();

LiveCores& live_cores() {
  static LiveCores* live = [] {
    // Exit handlers run before the destructors of every library, so the order of registration does not matter.
    std::atexit(shut_down_all);
    return new LiveCores;
  }();
  return *live;
}

void shut_down_all() {
  LiveCores& live = live_cores();
  std::lock_guard lock(live.mutex);
  for (EngineCore* core : live.cores) {
    core->outbox().mute();
    core->leave_loop();
    core->shut_down();
  }
}

}  // namespace

EngineCore::EngineCore(Napi::Env env, Napi::Function on_completions, const EngineOptions& options)
    : outbox_(env, on_completions),
      numa_node_(options.numa_node),
      segment_files_(std::make_shared<const SegmentFiles>(options.segments)) {
  for (const std::string& provider : options.providers) transports_.push_back(make_transport(env, provider, options));
  for (const auto& transport : transports_) transport->start(options.spin_time);
  LiveCores& live = live_cores();
  std::lock_guard lock(live.mutex);
  live.cores.insert(this);
}

EngineCore::~EngineCore() {
  {
    LiveCores& live = live_cores();
    std::lock_guard lock(live.mutex);
    live.cores.erase(this);
  }
  shut_down();
}

std::unique_ptr<Transport> EngineCore::make_transport(napi_env env, const std::string& provider,
                                                      const EngineOptions& options) {
  if (provider == "same-host") return make_same_host_transport(env, outbox_, options.limits, options.same_host);
  if (provider == "tcp") return make_tcp_transport(outbox_, options.limits, options.tcp);
  return make_libfabric_transport(outbox_, options.limits, provider, options.bind_address);
}

Transport& EngineCore::transport(uint32_t provider) {
  if (provider >= transports_.size()) {
    throw Failure(Code::provider_unavailable, "the fabric has no provider " + std::to_string(provider));
  }
  return *transports_[provider];
}

void EngineCore::adopt(std::shared_ptr<Arena> arena) {
  std::lock_guard lock(mutex_);
  require_open();
  arena_ = std::move(arena);
}

std::shared_ptr<Arena> EngineCore::arena() {
  std::lock_guard lock(mutex_);
  if (!arena_) throw Failure(Code::arena_unavailable, "this fabric has no arena: create one first");
  return arena_;
}

std::string EngineCore::arena_fault() {
  for (const auto& transport : transports_) {
    if (std::string failure = transport->failure(); !failure.empty()) return failure;
  }
  std::lock_guard lock(mutex_);
  if (!arena_) return "this fabric has no arena";
  const std::string fault = arena_->fault();
  return fault.empty() ? cuda::Device::any_fault() : fault;
}

std::shared_ptr<const SegmentFiles> EngineCore::segment_files() {
  std::lock_guard lock(mutex_);
  require_open();
  return segment_files_;
}

uint32_t EngineCore::adopt(std::shared_ptr<Segment> segment) {
  std::lock_guard lock(mutex_);
  require_open();
  segment->set_handle(++last_segment_);
  segments_.emplace(last_segment_, std::move(segment));
  return last_segment_;
}

std::shared_ptr<Segment> EngineCore::segment(uint32_t handle) {
  std::lock_guard lock(mutex_);
  const auto found = segments_.find(handle);
  if (found == segments_.end()) {
    throw Failure(Code::segment_not_found, "segment handle " + std::to_string(handle) + " is not attached");
  }
  return found->second;
}

// Each transport keeps the segment alive until it has run `forget`.
void EngineCore::detach(uint32_t handle) {
  std::lock_guard lock(mutex_);
  const auto found = segments_.find(handle);
  if (found == segments_.end()) return;
  for (const auto& transport : transports_) {
    transport->post_to_sender(0, [transport = transport.get(), segment = found->second] { transport->forget(segment); });
  }
  segments_.erase(found);
}

void EngineCore::leave_loop() {
  if (std::this_thread::get_id() != javascript_thread_) return;
  for (const auto& transport : transports_) transport->leave_loop();
}

void EngineCore::shut_down() {
  std::lock_guard lock(mutex_);
  closed_ = true;
  for (const auto& transport : transports_) transport->shut_down();
  segments_.clear();
  segment_files_.reset();
  arena_.reset();
}

void EngineCore::require_open() const {
  if (closed_) throw Failure(Code::closed, "the fabric is closed");
}

}  // namespace kvferry
