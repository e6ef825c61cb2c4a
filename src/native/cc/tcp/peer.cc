#include "tcp/peer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace kvferry::tcp {
namespace {

// Limits of one turn: after it, the next peer and then new commands get their turn.
constexpr uint64_t turn_bytes = 1 << 20;
// Answers that the kernel did not take. Our sender is owed a few KiB at most, so a peer with more does not read them.
constexpr size_t unsent_bytes_max = 64 << 10;
// The part of a hello that tells it from the bytes of other programs.
constexpr size_t hello_start = offsetof(Hello, grant);

}  // namespace

Peer::Peer(Poller& poller, std::unique_ptr<Wire> wire, uint64_t tag, const Arena& arena)
    : poller_(poller), wire_(std::move(wire)), tag_(tag), arena_(arena) {
  poller_.add(wire_->fd(), tag_);
}

Peer::~Peer() { poller_.remove(wire_->fd()); }

void Peer::ready(bool readable, bool writable) {
  readable_ |= readable;
  writable_ |= writable;
}

Peer::Turn Peer::progress() {
  const Turn result = turn();
  if (result == Turn::ended || !flush()) return Turn::ended;
  return result;
}

Peer::Turn Peer::turn() {
  if (state_ == State::establishing) return establish();
  if (state_ == State::greeting) return greet();
  if (state_ == State::judged) return Turn::waits;
  uint64_t moved = 0;
  while (readable_ && moved < turn_bytes && unsent_.size() < unsent_bytes_max) {
    const Step step = receive_some(turn_bytes - moved, moved);
    if (step == Step::ended) return Turn::ended;
    if (step == Step::blocked) wait();
  }
  return readable_ ? Turn::unfinished : Turn::waits;
}

// A thread that wakes for every packet spends more time on waking than on copying.
void Peer::wait() {
  readable_ = false;
  wire_->wait_for(state_ == State::writing ? body_left_ : 0);
}

Peer::Step Peer::receive_some(uint64_t bytes_max, uint64_t& moved) {
  if (state_ == State::leaving) return leave(moved);
  return body_left_ == 0 ? receive_header() : receive_body(bytes_max, moved);
}

Peer::Turn Peer::establish() {
  const int result = wire_->establish();
  if (result == 0) {
    state_ = State::greeting;
    return greet();
  }
  readable_ = false;
  return result == -EAGAIN ? Turn::waits : Turn::ended;
}

Peer::Turn Peer::greet() {
  auto* bytes = reinterpret_cast<uint8_t*>(&hello_);
  while (hello_bytes_ < sizeof hello_) {
    const ssize_t result = wire_->receive({bytes + hello_bytes_, sizeof hello_ - hello_bytes_}, {nullptr, 0});
    if (result == -EAGAIN) return Turn::waits;
    if (result <= 0) return Turn::ended;
    hello_bytes_ += static_cast<size_t>(result);
    const bool known =
        hello_.magic == magic && hello_.version == protocol_version && hello_.bytes == sizeof(Hello);
    if (hello_bytes_ >= hello_start && !known) return Turn::ended;
  }
  state_ = State::judged;
  readable_ = true;
  return Turn::greeted;
}

void Peer::welcome() {
  grant_ = hello_.grant;
  hello_.secret = {};
  state_ = State::writing;
  answer(AnswerKind::welcome, FrameStatus::landed, 0, arena_.bytes());
}

void Peer::refuse() {
  answer(AnswerKind::refused, FrameStatus::landed, 0, 0);
  flush();
}

void Peer::fence() {
  state_ = State::leaving;
  answer(AnswerKind::revoked, FrameStatus::landed, 0, 0);
  flush();
}

Peer::Step Peer::receive_header() {
  auto* bytes = reinterpret_cast<uint8_t*>(&next_);
  const ssize_t result = wire_->receive({bytes + next_bytes_, sizeof next_ - next_bytes_}, {nullptr, 0});
  if (result == -EAGAIN) return Step::blocked;
  if (result <= 0) return Step::ended;
  next_bytes_ += static_cast<size_t>(result);
  return next_bytes_ == sizeof next_ ? begin_frame() : Step::again;
}

Peer::Step Peer::begin_frame() {
  frame_ = next_;
  next_bytes_ = 0;
  const bool valid = frame_.kind == FrameKind::write && frame_.reserved == 0 && frame_.length > 0 &&
                     frame_.length <= frame_bytes_max;
  if (!valid) return Step::ended;
  const bool in_arena =
      frame_.target_offset <= arena_.bytes() && frame_.length <= arena_.bytes() - frame_.target_offset;
  status_ = in_arena ? FrameStatus::landed : FrameStatus::rejected;
  body_left_ = frame_.length;
  return Step::again;
}

Peer::Step Peer::receive_body(uint64_t bytes_max, uint64_t& moved) {
  const uint64_t length = std::min(body_left_, bytes_max);
  const ssize_t result = status_ == FrameStatus::landed ? receive_into_arena(length) : wire_->discard(length);
  if (result == -EAGAIN) return Step::blocked;
  if (result == -EFAULT) {
    status_ = FrameStatus::arena_invalid;
    return Step::again;
  }
  if (result <= 0) return Step::ended;
  const auto bytes = static_cast<uint64_t>(result);
  moved += bytes;
  next_bytes_ = bytes - std::min(bytes, body_left_);
  body_left_ -= std::min(bytes, body_left_);
  if (body_left_ == 0) end_frame();
  return next_bytes_ == sizeof next_ ? begin_frame() : Step::again;
}

// Takes the next header with the last bytes of a frame. That saves a system call for each frame.
ssize_t Peer::receive_into_arena(uint64_t length) {
  uint8_t* target = arena_.data() + frame_.target_offset + (frame_.length - body_left_);
  const bool is_rest = length == body_left_;
  return wire_->receive({target, length}, {reinterpret_cast<uint8_t*>(&next_), is_rest ? sizeof next_ : 0});
}

// Engines see the bytes if the file is whole. The mapping may have got other memory in place of pages that it lost.
void Peer::end_frame() {
  if (status_ == FrameStatus::landed && !arena_.fault().empty()) status_ = FrameStatus::arena_invalid;
  answer(AnswerKind::done, status_, frame_.ticket, 0);
}

Peer::Step Peer::leave(uint64_t& moved) {
  const ssize_t result = wire_->discard(turn_bytes);
  if (result == -EAGAIN) return Step::blocked;
  if (result <= 0) return Step::ended;
  moved += static_cast<uint64_t>(result);
  return Step::again;
}

void Peer::answer(AnswerKind kind, FrameStatus status, uint64_t ticket, uint64_t value) {
  const Answer answer = {kind, status, ticket, value};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&answer);
  unsent_.insert(unsent_.end(), bytes, bytes + sizeof answer);
}

bool Peer::flush() {
  while (!unsent_.empty() && writable_) {
    const ssize_t result = wire_->send(unsent_.data(), unsent_.size(), false);
    if (result == -EAGAIN) {
      writable_ = false;
    } else if (result < 0) {
      return false;
    } else {
      unsent_.erase(unsent_.begin(), unsent_.begin() + result);
    }
  }
  if (unsent_.size() >= unsent_bytes_max) return false;
  if (watching_writable_ == unsent_.empty()) {
    watching_writable_ = !unsent_.empty();
    poller_.watch_writable(wire_->fd(), tag_, watching_writable_);
  }
  if (state_ == State::leaving && unsent_.empty() && !finished_) {
    finished_ = true;
    wire_->finish();
  }
  return true;
}

}  // namespace kvferry::tcp
