// The state of one fabric: its transports, its arena, its attached segments.
//
// Threads: the JavaScript thread makes and uses it. Only `shut_down` may run on any thread, at any moment, repeatedly.
// Teardown: the first of four events shuts the core down. They are `close()` in JavaScript, garbage collection, the end
// of the environment (a worker thread ends, the event loop is empty), and the end of the process (`process.exit`).
// Transports are joined before the arena is unmapped. All of this happens before libfabric's own destructors run.
#pragma once

#include <napi.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/arena.h"
#include "core/outbox.h"
#include "core/segment.h"
#include "core/segment_files.h"
#include "core/transport.h"
#include "same_host/options.h"
#include "tcp/options.h"

namespace kvferry {

struct EngineOptions {
  std::string bind_address;
  same_host::Options same_host;
  tcp::Options tcp;
  WriteLimits limits;
  std::chrono::microseconds spin_time;
  std::vector<std::string> providers;
  // Of the memory that this process creates.
  int numa_node;
  SegmentRules segments;
};

class EngineCore {
 public:
  EngineCore(Napi::Env env, Napi::Function on_completions, const EngineOptions& options);
  ~EngineCore();
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;

  Outbox& outbox() { return outbox_; }
  int numa_node() const { return numa_node_; }
  // By its place in the options. Throws Failure(provider_unavailable).
  Transport& transport(uint32_t provider);

  // Throws Failure(closed).
  void adopt(std::shared_ptr<Arena> arena);
  // Throws Failure(arena_unavailable).
  std::shared_ptr<Arena> arena();
  // Why bytes that arrive may be missing in the arena's file, or why no more can arrive; empty when all is well.
  std::string arena_fault();

  // What opens the files of engines. Throws Failure(closed).
  std::shared_ptr<const SegmentFiles> segment_files();
  // Returns the segment's handle. Throws Failure(closed).
  uint32_t adopt(std::shared_ptr<Segment> segment);
  // Throws Failure(segment_not_found).
  std::shared_ptr<Segment> segment(uint32_t handle);
  void detach(uint32_t handle);

  // Takes the sender's sides off the JavaScript loop. Does nothing on another thread: a process that exits there ends them.
  void leave_loop();
  void shut_down();

 private:
  std::unique_ptr<Transport> make_transport(napi_env env, const std::string& provider, const EngineOptions& options);
  void require_open() const;

  const std::thread::id javascript_thread_ = std::this_thread::get_id();
  Outbox outbox_;
  const int numa_node_;
  std::vector<std::unique_ptr<Transport>> transports_;

  std::mutex mutex_;  // guards all members below: `shut_down` may run on another thread
  std::shared_ptr<const SegmentFiles> segment_files_;
  std::map<uint32_t, std::shared_ptr<Segment>> segments_;
  uint32_t last_segment_ = 0;
  std::shared_ptr<Arena> arena_;
  bool closed_ = false;
};

}  // namespace kvferry
