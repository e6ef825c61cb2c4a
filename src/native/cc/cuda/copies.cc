#include "cuda/copies.h"

namespace kvferry::cuda {
namespace {

// How often the thread looks for a failure of the stream.
constexpr std::chrono::milliseconds look_every{10};

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

Copies::Copies(Device& device, Poller& poller) : device_(device) {
  device_.enter();
  device_.require(device_.driver().stream_create(&stream_, stream_non_blocking), "cuStreamCreate", Code::fabric_error);
  marks_->poller = &poller;
}

// A device that is lost copies nothing any more, nor does the driver of a process that ends.
Copies::~Copies() {
  Result result = not_ready;
  try {
    device_.enter();
    result = device_.driver().stream_synchronize(stream_);
    device_.driver().stream_destroy(stream_);
  } catch (const Failure&) {
  }
  if (result == success) return;
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
  Begun begun = {++begun_, device_.lost_by()};
  if (begun.result == success) begun.result = device_.try_enter();
  if (begun.result == success) begun.result = post(target, target_offset, source, range);
  return begun;
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
  if (flushed_ == begun_ || lost_) return;
  flushed_ = begun_;
  look_at_ = Clock::now() + look_every;
  const Result result = device_.driver().launch_host_function(stream_, mark, marks_.get());
  if (result == success) {
    marked_.push_back(begun_);
  } else {
    lose(result);
  }
}

uint64_t Copies::ended() {
  const uint64_t marks = marks_->ended.load(std::memory_order_acquire);
  for (; marks_seen_ < marks; marks_seen_++) {
    ended_ = marked_.front();
    marked_.pop_front();
  }
  if (ended_ == begun_ || lost_) return begun_;
  if (Clock::now() < look_at_) return ended_;
  look_at_ = Clock::now() + look_every;
  const Result result = device_.driver().stream_query(stream_);
  if (result != success && result != not_ready) lose(result);
  return lost_ ? begun_ : ended_;
}

Deadline Copies::deadline() const {
  if (ended_ == begun_ || lost_) return std::nullopt;
  return look_at_;
}

void Copies::lose(Result result) {
  lost_ = true;
  device_.lose(result);
}

}  // namespace kvferry::cuda
