// Copies of one device that go on while their thread does other work: a stream, and the end of each copy.
//
// The stream runs a function of ours behind the copies of a turn, which wakes the thread. A stream that has failed runs
// none, so the thread also looks at times.
//
// Belongs to the thread of its transport.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>

#include "core/memory.h"
#include "core/poller.h"
#include "core/source_range.h"
#include "cuda/device.h"

namespace kvferry::cuda {

class Copies {
 public:
  // Throws Failure(fabric_error).
  Copies(Device& device, Poller& poller);
  // Waits for the copies. Afterwards no byte is moved.
  ~Copies();
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;

  Device& device() const { return device_; }
  struct Begun {
    uint64_t number;  // 1, 2, 3, and so on
    Result result;    // not `success`: it cannot be done; a part of it may be on its way all the same
  };
  Begun begin(const Memory& target, uint64_t target_offset, const Memory& source, const SourceRange& range);
  // Behind the last `begin` of a turn.
  void flush();
  // Copies up to this number have ended. When the device is lost, all have.
  uint64_t ended();
  Deadline deadline() const;

 private:
  struct Marks {
    std::atomic<uint64_t> ended{0};
    std::atomic<Poller*> poller{nullptr};
  };
  static void mark(void* marks);

  Result post(const Memory& target, uint64_t target_offset, const Memory& source, const SourceRange& range);
  void lose(Result result);

  Device& device_;
  Stream stream_ = nullptr;
  // Kept for good when the device is lost: the driver may still have its address.
  std::unique_ptr<Marks> marks_ = std::make_unique<Marks>();
  uint64_t begun_ = 0;
  uint64_t flushed_ = 0;
  uint64_t ended_ = 0;
  // For each mark on its way: the number of the last copy before it.
  std::deque<uint64_t> marked_;
  uint64_t marks_seen_ = 0;
  Clock::time_point look_at_{};
  bool lost_ = false;
};

}  // namespace kvferry::cuda
