#include "cuda/copies.h"

#include <algorithm>
#include <thread>

namespace kvferry::cuda {
namespace {

// How often the thread asks the stream. It learns of most ends sooner, by a mark.
constexpr std::chrono::milliseconds look_every{10};
// In turn: half a second. An error of one call has passed by then, and an error of the context never passes.
constexpr int failed_looks_max = 50;

Copy2D plain(const Memory& target, uint64_t target_offset, const Memory& source, const SourceRange& range) {
  Copy2D copy = {};
  copy.source_type = source.on_host() ? MemoryType::host : MemoryType::device;
  if (source.on_host()) {
    copy.source_host = source.host() + range.offset;
  } else {
    copy.source_device = source.address + range.offset;
  }
  copy.source_pitch = range.stride;
  copy.target_type = target.on_host() ? MemoryType::host : MemoryType::device;
  if (target.on_host()) {
    copy.target_host = target.host() + target_offset;
  } else {
    copy.target_device = target.address + target_offset;
  }
  copy.target_pitch = range.piece_bytes;
  copy.width = range.piece_bytes;
  copy.height = range.pieces();
  return copy;
}

}  // namespace

Copies::Copies(Device& device, Poller& poller) : device_(device) { marks_->poller = &poller; }

Copies::~Copies() {
  finish();
  if (!lost_) {
    if (stream_ != nullptr && device_.try_enter() == success) device_.driver().stream_destroy(stream_);
    return;
  }
  marks_->poller = nullptr;
  static_cast<void>(marks_.release());
}

void Copies::mark(void* marks) {
  auto* ours = static_cast<Marks*>(marks);
  ours->ended.fetch_add(1, std::memory_order_release);
  if (Poller* poller = ours->poller) poller->wake();
}

Copies::Begun Copies::begin(const Memory& target, uint64_t target_offset, const Memory& source,
                            const SourceRange& range) {
  const uint64_t number = ++begun_;
  const Result result = ready();
  if (result != success) return {number, result};
  if (!is_waiting()) look_at_ = Clock::now() + look_every;
  posted_ = number;
  return {number, post(target, target_offset, source, range)};
}

Result Copies::ready() {
  if (const Result lost = device_.lost_by(); lost != success) return lost;
  const Result entered = device_.try_enter();
  if (entered != success || stream_ != nullptr) return entered;
  return device_.driver().stream_create(&stream_, stream_non_blocking);
}

Result Copies::post(const Memory& target, uint64_t target_offset, const Memory& source, const SourceRange& range) {
  if (!range.is_one() && range.stride <= device_.pitch_max()) {
    const Copy2D copy = plain(target, target_offset, source, range);
    return device_.driver().copy_2d(&copy, stream_);
  }
  for (uint64_t done = 0; done < range.length; done += range.piece_bytes) {
    const Result result = device_.driver().copy(target.address + target_offset + done, source.address + range.at(done),
                                                range.piece_bytes, stream_);
    if (result != success) return result;
  }
  return success;
}

void Copies::flush() {
  if (flushed_ == posted_ || lost_) return;
  flushed_ = posted_;
  if (device_.try_enter() != success) return;
  if (device_.driver().launch_host_function(stream_, mark, marks_.get()) == success) marked_.push_back(posted_);
}

void Copies::look() {
  const uint64_t marks = marks_->ended.load(std::memory_order_acquire);
  for (; marks_seen_ < marks; marks_seen_++) {
    ended_ = std::max(ended_, marked_.front());
    marked_.pop_front();
    failed_looks_ = 0;
  }
  if (!is_waiting() || Clock::now() < look_at_) return;
  look_at_ = Clock::now() + look_every;
  const Result entered = device_.try_enter();
  take(entered == success ? device_.driver().stream_query(stream_) : entered);
}

void Copies::take(Result result) {
  if (result == success) ended_ = posted_;
  if (result == success || result == not_ready) {
    failed_looks_ = 0;
  } else if (++failed_looks_ == failed_looks_max) {
    device_.lose(result);
  }
  lost_ = lost_ || device_.lost_by() != success;
}

// Also when every copy has ended: the function that lies behind the last one may still run.
void Copies::finish() {
  while (stream_ != nullptr && !lost_) {
    const Result entered = device_.try_enter();
    const Result result = entered == success ? device_.driver().stream_synchronize(stream_) : entered;
    take(result);
    if (result == success) return;
    std::this_thread::sleep_for(look_every);
  }
}

Copies::State Copies::state_of(uint64_t number) const {
  if (number <= ended_ || number > posted_) return State::ended;
  return lost_ ? State::unknown : State::under_way;
}

Deadline Copies::deadline() const {
  return is_waiting() ? Deadline(look_at_) : std::nullopt;
}

}  // namespace kvferry::cuda
