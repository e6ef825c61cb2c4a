#include "tcp/stream.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/failure.h"
#include "tcp/socket.h"

namespace kvferry::tcp {
namespace {

constexpr size_t copy_bytes = 64 << 10;
// Each call of sendfile makes packets of its own, so smaller pieces are copied together.
constexpr uint64_t send_file_bytes_min = 16 << 10;
constexpr uint8_t zeros[copy_bytes] = {};
// Limits of one turn: after it, the next stream and then new commands get their turn.
constexpr uint64_t turn_bytes = 1 << 20;
constexpr size_t turn_answers = 256;

}  // namespace

Stream::Stream(Poller& poller, std::unique_ptr<Wire> wire, uint64_t tag, const Hello& hello, Clock::time_point deadline)
    : poller_(poller),
      wire_(std::move(wire)),
      tag_(tag),
      hello_(hello),
      deadline_(deadline),
      received_(turn_answers * sizeof(Answer)) {
  poller_.add(wire_->fd(), tag_);
  watch_writable(true);
}

Stream::~Stream() { poller_.remove(wire_->fd()); }

void Stream::ready(bool readable, bool writable) {
  readable_ |= readable;
  writable_ |= writable;
}

void Stream::post(const Slice& slice, uint64_t ticket) {
  frames_.push_back({slice, ticket});
  outstanding_.emplace(ticket, Outstanding{slice.length(), ""});
  outstanding_bytes_ += slice.length();
}

std::optional<std::string> Stream::completed(uint64_t ticket) {
  const auto found = outstanding_.find(ticket);
  const bool is_sent = frames_.empty() || ticket < frames_.front().ticket;
  if (found == outstanding_.end() || !is_sent) return std::nullopt;
  std::string spoilt = std::move(found->second.spoilt);
  outstanding_bytes_ -= found->second.length;
  frames_answered_++;
  outstanding_.erase(found);
  return spoilt;
}

Stream::Turn Stream::progress(std::vector<Answer>& answers) {
  if (phase_ != Phase::established && !establish()) return reason_.empty() ? Turn::idle : Turn::ended;
  const Turn sent = send();
  Turn received = receive(answers);
  // What the receiver sent before it closed explains the end better than a failure to send.
  while (sent == Turn::ended && received == Turn::worked) received = receive(answers);
  if (received == Turn::ended || sent == Turn::ended) return Turn::ended;
  return sent == Turn::worked || received == Turn::worked ? Turn::worked : rest();
}

Stream::Turn Stream::rest() {
  if (!outstanding_.empty()) silence_.expect();
  if (!silence_.is_due()) return Turn::idle;
  // Bytes that the receiver's host took, and frames that the receiver answered.
  const uint64_t taken = sent_bytes_ - unacknowledged(wire_->fd()) + frames_answered_;
  if (!silence_.look(!outstanding_.empty(), taken)) return Turn::idle;
  return end(silent_too_long("the receiver took no byte and answered no frame", process_and_network));
}

// Returns whether the wire is established. If not, it waits, or `reason_` says why it never will be.
bool Stream::establish() {
  if (!readable_ && !writable_) return false;
  if (phase_ == Phase::connecting) {
    const int error = connect_error(wire_->fd());
    if (error != 0) {
      reason_ = describe_errno("connect", error);
      return false;
    }
    if (!writable_) return false;
    tune(wire_->fd());
    phase_ = Phase::establishing;
  }
  const int result = wire_->establish();
  if (result == 0) {
    phase_ = Phase::established;
    readable_ = true;
    writable_ = true;
    return true;
  }
  if (result == -EAGAIN) {
    readable_ = false;
    writable_ = false;
    watch_writable(wire_->establishes_by_writing());
  } else {
    reason_ = describe_errno("the encryption was not agreed", -result);
  }
  return false;
}

Stream::Turn Stream::send() {
  if (!writable_) return Turn::idle;
  uint64_t sent = 0;
  while (hello_sent_ < sizeof hello_ || !frames_.empty()) {
    if (sent >= turn_bytes) return Turn::worked;
    ssize_t result = 0;
    if (hello_sent_ < sizeof hello_) {
      result = send_hello();
    } else if (frames_.front().header_sent < sizeof(FrameHeader)) {
      result = send_header(frames_.front());
    } else {
      result = send_body(frames_.front(), turn_bytes - sent);
      if (frames_.front().sent == frames_.front().slice.length()) frames_.pop_front();
    }
    if (result == -EAGAIN) {
      writable_ = false;
      watch_writable(true);
      return sent > 0 ? Turn::worked : Turn::idle;
    }
    if (result < 0) {
      readable_ = true;
      return end(describe_errno("send", static_cast<int>(-result)));
    }
    sent += static_cast<uint64_t>(result);
    sent_bytes_ += static_cast<uint64_t>(result);
  }
  watch_writable(false);
  return sent > 0 ? Turn::worked : Turn::idle;
}

ssize_t Stream::send_hello() {
  const auto* bytes = reinterpret_cast<const uint8_t*>(&hello_);
  const ssize_t result = wire_->send(bytes + hello_sent_, sizeof hello_ - hello_sent_, false);
  if (result > 0) hello_sent_ += static_cast<size_t>(result);
  return result;
}

ssize_t Stream::send_header(Frame& frame) {
  const FrameHeader header = {FrameKind::write, 0, frame.ticket, frame.slice.target_offset, frame.slice.length()};
  const auto* bytes = reinterpret_cast<const uint8_t*>(&header);
  const ssize_t result = wire_->send(bytes + frame.header_sent, sizeof header - frame.header_sent, true);
  if (result > 0) frame.header_sent += static_cast<size_t>(result);
  return result;
}

ssize_t Stream::send_body(Frame& frame, uint64_t bytes_max) {
  const SourceRange& source = frame.slice.source;
  const uint64_t left = source.length - frame.sent;
  ssize_t result = -EOPNOTSUPP;
  if (frame.spoilt) {
    result = wire_->send(zeros, std::min<uint64_t>(left, sizeof zeros), left > sizeof zeros);
  } else if (copy_.empty() && (source.is_one() || source.piece_bytes >= send_file_bytes_min)) {
    const uint64_t in_piece = source.left_in_piece(frame.sent);
    result = wire_->send_file(frame.slice.segment->fd(), source.at(frame.sent), std::min(in_piece, bytes_max));
    if (result == 0) {
      spoil(frame, segment_shrank);
      return 0;
    }
  }
  if (result == -EOPNOTSUPP) result = send_copy(frame);
  if (result > 0) frame.sent += static_cast<uint64_t>(result);
  return result;
}

ssize_t Stream::send_copy(Frame& frame) {
  if (copy_.empty()) {
    copy_.resize(std::min<uint64_t>(frame.slice.length() - frame.sent, copy_bytes));
    copy_sent_ = 0;
    const std::string fault = read_copy(frame);
    if (!fault.empty()) {
      copy_.clear();
      spoil(frame, fault);
      return 0;
    }
  }
  const size_t left = copy_.size() - copy_sent_;
  const bool more = frame.sent + left < frame.slice.length();
  const ssize_t result = wire_->send(copy_.data() + copy_sent_, left, more);
  if (result > 0) copy_sent_ += static_cast<size_t>(result);
  if (copy_sent_ == copy_.size()) copy_.clear();
  return result;
}

// Fills `copy_` with the next bytes of the source, piece behind piece. Returns why it could not; empty when it could.
std::string Stream::read_copy(const Frame& frame) {
  const SourceRange& source = frame.slice.source;
  for (size_t done = 0; done < copy_.size();) {
    const uint64_t index = frame.sent + done;
    const size_t length = std::min<uint64_t>(source.left_in_piece(index), copy_.size() - done);
    const auto offset = static_cast<off_t>(source.at(index));
    const ssize_t read = ::pread(frame.slice.segment->fd(), copy_.data() + done, length, offset);
    if (read == 0) return segment_shrank;
    if (read > 0) {
      done += static_cast<size_t>(read);
    } else if (errno != EINTR) {
      return describe_errno("the source file cannot be read", errno);
    }
  }
  return "";
}

void Stream::spoil(Frame& frame, const std::string& why) {
  frame.spoilt = true;
  outstanding_.at(frame.ticket).spoilt = why;
}

Stream::Turn Stream::receive(std::vector<Answer>& answers) {
  if (!readable_) return Turn::idle;
  const ssize_t result =
      wire_->receive({received_.data() + received_bytes_, received_.size() - received_bytes_}, {nullptr, 0});
  if (result == -EAGAIN) {
    readable_ = false;
    return Turn::idle;
  }
  if (result == 0) return end("the receiver closed the connection");
  if (result < 0) return end(describe_errno("receive", static_cast<int>(-result)));
  received_bytes_ += static_cast<size_t>(result);
  const size_t whole = received_bytes_ / sizeof(Answer);
  for (size_t i = 0; i < whole; i++) {
    Answer answer = {};
    std::memcpy(&answer, received_.data() + i * sizeof answer, sizeof answer);
    answers.push_back(answer);
  }
  received_bytes_ -= whole * sizeof(Answer);
  std::memmove(received_.data(), received_.data() + whole * sizeof(Answer), received_bytes_);
  return Turn::worked;
}

void Stream::watch_writable(bool on) {
  if (on == watching_writable_) return;
  watching_writable_ = on;
  poller_.watch_writable(wire_->fd(), tag_, on);
}

Stream::Turn Stream::end(const std::string& reason) {
  if (reason_.empty()) reason_ = reason;
  return Turn::ended;
}

}  // namespace kvferry::tcp
