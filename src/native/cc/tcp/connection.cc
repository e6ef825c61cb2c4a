#include "tcp/connection.h"

#include <algorithm>
#include <utility>

#include "core/failure.h"
#include "core/fields.h"
#include "tcp/grants.h"

namespace kvferry::tcp {
namespace {

// For a stream beside the first. A connection works without it.
constexpr std::chrono::seconds other_stream_max{5};
// With several streams, slices are so small that each stream has work.
constexpr uint64_t slices_per_stream = 4;
constexpr uint64_t slice_bytes_min = 64 << 10;

const char* const protocol_broken = "the receiver does not keep the protocol";

uint64_t slice_bytes_of(WriteLimits limits, unsigned streams) {
  const uint64_t most = std::min(limits.slice_bytes, frame_bytes_max);
  if (streams == 1) return most;
  return std::min(most, std::max(slice_bytes_min, limits.window_bytes / (streams * slices_per_stream)));
}

}  // namespace

Connection::Connection(Poller& poller, Outbox& outbox, WriteLimits limits, unsigned streams, uint64_t number,
                       uint32_t connect_id, const Address& address, Encryption* encryption, const std::string& token,
                       Clock::time_point connect_deadline)
    : poller_(poller),
      outbox_(outbox),
      streams_wanted_(streams),
      number_(number),
      connect_id_(connect_id),
      connect_deadline_(connect_deadline),
      address_(address),
      encryption_(encryption),
      scheduler_(outbox, {limits.window_bytes, slice_bytes_of(limits, streams)}) {
  const auto granted = parse_token(token);
  if (!granted) throw Failure(Code::connection_failed, "the grant token is malformed");
  hello_ = {magic, protocol_version, sizeof(Hello), granted->grant, granted->secret};
  streams_.push_back(make_stream(0, connect_deadline));
}

Connection::~Connection() { close(); }

void Connection::close() {
  if (state_ == State::connecting && !stillborn_) {
    connect_failed("the connection was closed while it was being made");
    return;
  }
  give_up(Code::connection_lost, "the connection was closed", true);
}

void Connection::write(uint32_t id, std::vector<WriteItem> items) {
  scheduler_.add(id, std::move(items));
  if (state_ == State::broken) scheduler_.fail_all(failure_code_, failure_message_, false);
}

void Connection::stop(uint32_t write) { scheduler_.stop(write); }

void Connection::ready(uint64_t tag, bool readable, bool writable) {
  const uint64_t index = tag - number_;
  if (index < streams_.size() && streams_[index]) streams_[index]->ready(readable, writable);
}

bool Connection::progress() {
  if (stillborn_ || state_ == State::broken) return false;
  if (state_ == State::connecting && Clock::now() >= connect_deadline_) {
    connect_failed("the receiver was not reached in time");
    return false;
  }
  if (state_ == State::open) post_slices();
  bool worked = false;
  // A stream that ends may end the connection, and with it all streams.
  for (size_t i = 0; i < streams_.size(); i++) {
    if (streams_[i]) worked |= progress_stream(i);
  }
  return worked;
}

void Connection::post_slices() {
  while (const auto slice = scheduler_.next()) {
    Stream* best = nullptr;
    for (const auto& stream : streams_) {
      if (!stream || !stream->open()) continue;
      if (best == nullptr || stream->outstanding_bytes() < best->outstanding_bytes()) best = stream.get();
    }
    best->post(*slice, ++last_ticket_);
    scheduler_.posted(*slice, last_ticket_);
  }
}

bool Connection::progress_stream(size_t index) {
  Stream& stream = *streams_[index];
  std::vector<Answer> answers;
  const Stream::Turn turn = stream.progress(answers);
  for (const Answer& answer : answers) {
    if (state_ == State::broken) return true;
    handle(stream, answer);
  }
  if (state_ == State::broken) return true;
  const bool late = index > 0 && !stream.open() && Clock::now() >= stream.open_deadline();
  if (turn == Stream::Turn::ended || late) stream_ended(index);
  return turn == Stream::Turn::worked;
}

void Connection::handle(Stream& stream, const Answer& answer) {
  switch (answer.kind) {
    case AnswerKind::welcome:
      if (stream.open()) return;
      stream.opened();
      if (state_ == State::open) return;
      state_ = State::open;
      scheduler_.set_target_bytes(answer.value);
      outbox_.put({.id = connect_id_, .handle = number_});
      open_others();
      return;
    case AnswerKind::refused:
      if (state_ == State::connecting) connect_failed("the grant is unknown or was revoked");
      return;
    case AnswerKind::revoked:
      if (state_ == State::connecting) {
        connect_failed("the receiver revoked the grant");
      } else {
        give_up(Code::write_rejected, "the receiver revoked the grant", false);
      }
      return;
    case AnswerKind::done:
      handle_done(stream, answer);
      return;
  }
  lost(protocol_broken);
}

void Connection::handle_done(Stream& stream, const Answer& answer) {
  const auto spoilt = stream.completed(answer.ticket);
  if (!spoilt) {
    lost(protocol_broken);
  } else if (!spoilt->empty()) {
    scheduler_.failed(answer.ticket, Code::segment_invalid, *spoilt, false);
  } else if (answer.status == FrameStatus::landed) {
    scheduler_.delivered(answer.ticket);
  } else if (answer.status == FrameStatus::rejected) {
    scheduler_.failed(answer.ticket, Code::write_rejected, "the receiver rejected the write", false);
  } else {
    scheduler_.failed(answer.ticket, Code::fabric_error, "the receiver's arena has lost memory", false);
  }
}

std::unique_ptr<Stream> Connection::make_stream(size_t index, Clock::time_point deadline) {
  UniqueFd fd = connect_to(address_);
  std::unique_ptr<Wire> wire;
  if (encryption_ != nullptr) {
    wire = encryption_->of_sender(std::move(fd), {hello_.grant, hello_.secret});
  } else {
    wire = std::make_unique<PlainWire>(std::move(fd));
  }
  return std::make_unique<Stream>(poller_, std::move(wire), number_ + index, hello_, deadline);
}

void Connection::open_others() {
  for (size_t i = 1; i < streams_wanted_; i++) {
    try {
      streams_.push_back(make_stream(i, Clock::now() + other_stream_max));
    } catch (const std::exception&) {
      // The connection works with the streams that it has.
      return;
    }
  }
}

void Connection::stream_ended(size_t index) {
  const Stream& stream = *streams_[index];
  if (index > 0 && !stream.open()) {
    streams_[index].reset();
  } else {
    lost(stream.reason());
  }
}

void Connection::lost(const std::string& reason) {
  if (state_ == State::connecting) {
    connect_failed(reason);
  } else {
    give_up(Code::connection_lost, naming_receiver(reason), true);
  }
}

void Connection::fail(const std::string& message) {
  if (state_ == State::connecting) {
    connect_failed(message);
  } else {
    give_up(Code::fabric_error, message, true);
  }
}

void Connection::connect_failed(const std::string& message) {
  if (stillborn_) return;
  stillborn_ = true;
  const std::string text = naming_receiver(message);
  outbox_.put({.id = connect_id_, .code = Code::connection_failed, .message = text});
  give_up(Code::connection_failed, text, false);
}

std::string Connection::naming_receiver(const std::string& message) const {
  return address_.host + " port " + std::to_string(address_.port) + ": " + message;
}

// Closes the streams first. That ends every use of the source segments, so their writes can be reported.
void Connection::give_up(Code code, const std::string& message, bool landed_unknown) {
  if (state_ != State::broken) {
    failure_code_ = code;
    failure_message_ = message;
    state_ = State::broken;
  }
  streams_.clear();
  scheduler_.fail_all(failure_code_, failure_message_, landed_unknown);
}

Deadline Connection::deadline() const {
  if (stillborn_) return std::nullopt;
  Deadline deadline;
  for (const auto& stream : streams_) {
    if (stream) deadline = earliest(deadline, stream->deadline());
  }
  return deadline;
}

}  // namespace kvferry::tcp
