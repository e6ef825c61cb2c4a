// Copies of one device that go on while their thread does other work: a stream, and the end of each copy.
//
// A copy has ended when the stream has run a function of ours that lies behind it, or answers that it is idle. A call that
// fails proves nothing: an error may be of that call alone, or of earlier work. So the function only wakes the thread, which
// also asks the stream at times. When no answer comes, the device is lost, and copies under way may land at any time.
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
  Copies(Device& device, Poller& poller);
  ~Copies();
  Copies(const Copies&) = delete;
  Copies& operator=(const Copies&) = delete;

  Device& device() const { return device_; }
  struct Begun {
    uint64_t number;  // 1, 2, 3, and so on. Copies end in this order
    Result result;    // not `success`: it cannot be done; a part of it may be on its way all the same
  };
  enum class State {
    under_way,
    ended,
    unknown,  // the device is lost: its bytes may land at any time
  };
  Begun begin(const Memory& target, uint64_t target_offset, const Memory& source, const SourceRange& range);
  // Behind the last `begin` of a turn.
  void flush();
  // Learns which copies have ended.
  void look();
  // Waits for the copies. Afterwards none is under way.
  void finish();
  State state_of(uint64_t number) const;
  Deadline deadline() const;

 private:
  struct Marks {
    std::atomic<uint64_t> ended{0};
    std::atomic<Poller*> poller{nullptr};
  };
  static void mark(void* marks);

  // Whether copies can be put on the stream. Makes it the first time.
  Result ready();
  Result post(const Memory& target, uint64_t target_offset, const Memory& source, const SourceRange& range);
  // The stream has answered a question about its end.
  void take(Result result);
  bool is_waiting() const { return posted_ > ended_ && !lost_; }

  Device& device_;
  Stream stream_ = nullptr;
  // Kept for good when the device is lost: the driver may still have its address.
  std::unique_ptr<Marks> marks_ = std::make_unique<Marks>();
  uint64_t begun_ = 0;
  uint64_t posted_ = 0;  // the last one of which a part may be on the stream
  uint64_t flushed_ = 0;
  uint64_t ended_ = 0;  // of those on the stream
  // For each mark on its way: the number of the last copy before it.
  std::deque<uint64_t> marked_;
  uint64_t marks_seen_ = 0;
  Clock::time_point look_at_{};
  int failed_looks_ = 0;
  bool lost_ = false;
};

}  // namespace kvferry::cuda
