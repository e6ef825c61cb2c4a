#include "same_host/connection.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "core/failure.h"
#include "core/fields.h"

namespace kvferry::same_host {
namespace {

// Delay before another attempt when the receiver's queue of new connections is full.
constexpr std::chrono::milliseconds connect_retry{5};

std::string path_of(const std::string& address) {
  FieldReader fields(address);
  const bool understood = fields.text() && fields.number() && fields.number();
  const auto path = understood ? fields.bytes() : std::nullopt;
  if (!path) throw Failure(Code::connection_failed, "the endpoint address is malformed");
  return std::string(path->begin(), path->end());
}

// Whether the receiver may know the segment as it was for a moment: a file that was cut when it arrived, for example.
bool may_pass(CopyStatus status) {
  return status == CopyStatus::segment_shrank || status == CopyStatus::no_descriptor ||
         status == CopyStatus::device_memory_unopened;
}

// What the answer to a copy that failed means.
std::pair<Code, std::string> refusal(const Message& message) {
  switch (message.status) {
    case CopyStatus::copied:
      break;
    case CopyStatus::rejected:
      return {Code::write_rejected, "the receiver rejected the write"};
    case CopyStatus::segment_unknown:
      return {Code::fabric_error, "the receiver does not know the source segment"};
    case CopyStatus::segment_shrank:
      return {Code::segment_invalid, segment_shrank};
    case CopyStatus::segment_without_memory:
      return {Code::segment_invalid, no_memory_behind(message.source_offset, message.length)};
    case CopyStatus::segment_unmapped:
      return {Code::fabric_error, "the receiver cannot map the source file: its process has no address space left"};
    case CopyStatus::no_descriptor:
      return {Code::fabric_error, "the receiver has no file descriptor left for the source file: raise its limit of open files"};
    case CopyStatus::too_many_segments:
      return {Code::fabric_error, "the receiver takes no more segments of this sender: detach some"};
    case CopyStatus::arena_invalid:
      return {Code::fabric_error, "the receiver's arena has lost memory"};
    case CopyStatus::no_device:
      return {Code::segment_invalid,
              "the receiver has no CUDA driver, or does not see the device: run kvferry doctor on its host, and compare the "
              "UUID of the device with nvidia-smi -L"};
    case CopyStatus::device_memory_unopened:
      return {Code::segment_invalid,
              "the receiver cannot open the memory of the device: was it freed, has its process ended, or is it smaller?"};
    case CopyStatus::device_failed:
    case CopyStatus::device_lost:
      return {Code::fabric_error,
              "a CUDA device of the receiver failed with CUDA error " + std::to_string(message.source_offset)};
  }
  return {Code::internal, "the receiver's answer is unknown"};
}

}  // namespace

Connection::Connection(Poller& poller, Outbox& outbox, WriteLimits limits, const Options& options, uint64_t number,
                       uint32_t connect_id, const std::string& address, const std::string& token,
                       Clock::time_point connect_deadline)
    : poller_(poller),
      outbox_(outbox),
      options_(options),
      number_(number),
      connect_id_(connect_id),
      connect_deadline_(connect_deadline),
      path_(path_of(address)),
      scheduler_(outbox, {limits.window_bytes, std::min(limits.slice_bytes, copy_bytes_max), true}) {
  FieldReader fields(token);
  const auto first = fields.number();
  const auto second = fields.number();
  if (!first || !second) throw Failure(Code::connection_failed, "the grant token is malformed");
  token_[0] = *first;
  token_[1] = *second;
}

Connection::~Connection() { close(); }

void Connection::close() {
  if ((state_ == State::connecting || state_ == State::greeting) && !stillborn_) {
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

void Connection::forget(const Segment* segment) {
  const auto found = segments_.find(segment);
  if (found == segments_.end()) return;
  Message message = {};
  message.kind = Kind::detach;
  message.subject = found->second;
  segments_.erase(found);
  if (channel_) channel_->send(message);
}

void Connection::progress() {
  if (stillborn_ || state_ == State::broken) return;
  if (state_ != State::open) {
    if (Clock::now() >= connect_deadline_) {
      connect_failed("the receiver was not reached in time");
    } else if (state_ == State::connecting) {
      reach();
    }
    return;
  }
  while (const auto slice = scheduler_.next()) {
    Message message = {};
    message.kind = Kind::copy;
    message.subject = segment_number(slice->segment);
    message.ticket = ++last_ticket_;
    message.source_offset = slice->source.offset;
    message.piece_bytes = slice->source.piece_bytes;
    message.stride = slice->source.stride;
    message.target_offset = slice->target_offset;
    message.length = slice->length();
    channel_->send(message);
    scheduler_.posted(*slice, message.ticket);
  }
  if (scheduler_.has_outstanding()) silence_.expect();
  if (channel_->unsent() > 0 && !channel_->flush()) hung_up();
}

// Copies that were asked for may still be made, when the receiver runs again.
void Connection::look() {
  if (state_ != State::open || !silence_.is_due()) return;
  if (!silence_.look(scheduler_.has_outstanding(), copies_answered_)) return;
  const std::string why = silent_too_long("the receiver answered no copy", "its process");
  give_up(Code::connection_lost, "socket " + path_ + ": " + why, true);
}

void Connection::fail(const std::string& message) {
  if (state_ == State::connecting || state_ == State::greeting) {
    connect_failed(message);
  } else {
    give_up(Code::fabric_error, message, true);
  }
}

void Connection::reach() {
  UniqueFd fd;
  try {
    fd = connect_to(path_, options_);
  } catch (const Failure& failure) {
    connect_failed(failure.what());
    return;
  }
  if (!fd) return;
  channel_ = std::make_unique<Channel>(poller_, std::move(fd), number_);
  state_ = State::greeting;
  Message message = {};
  message.kind = Kind::hello;
  message.subject = protocol_version;
  message.token[0] = token_[0];
  message.token[1] = token_[1];
  channel_->send(message);
  if (!channel_->flush()) hung_up();
}

uint64_t Connection::segment_number(Segment* segment) {
  const auto found = segments_.find(segment);
  if (found != segments_.end()) return found->second;
  send_attach(++last_segment_, *segment);
  segments_.emplace(segment, last_segment_);
  return last_segment_;
}

void Connection::send_attach(uint64_t number, const Segment& segment) {
  Message message = {};
  message.subject = number;
  const DeviceMemory* device = segment.device();
  if (device == nullptr) {
    message.kind = Kind::attach;
    channel_->send(message, segment.shared_from_this());
    return;
  }
  HandleMessage handle = {};
  handle.subject = number;
  handle.handle = device->handle;
  channel_->send(std::bit_cast<Message>(handle));
  message.kind = Kind::attach_device;
  message.source_offset = device->offset;
  message.length = device->bytes;
  std::memcpy(message.token, device->device.data(), sizeof message.token);
  channel_->send(message);
}

void Connection::readable() {
  if (!channel_) return;
  std::vector<Message> messages;
  std::vector<UniqueFd> descriptors;
  if (channel_->receive(messages, descriptors) == Channel::Received::hung_up) {
    hung_up();
    return;
  }
  for (const Message& message : messages) {
    if (channel_) handle(message);
  }
}

void Connection::handle(const Message& message) {
  if (state_ == State::greeting && message.kind == Kind::welcome) {
    state_ = State::open;
    scheduler_.set_target_bytes(message.subject);
    outbox_.put({.id = connect_id_, .handle = number_});
  } else if (state_ == State::greeting && message.kind == Kind::refused) {
    connect_failed("the grant is unknown or was revoked");
  } else if (state_ == State::open && message.kind == Kind::done) {
    copies_answered_++;
    if (message.status == CopyStatus::copied) {
      scheduler_.delivered(message.ticket);
    } else {
      failed(message);
    }
    if (!scheduler_.has_outstanding()) failed_segments_.clear();
  }
}

void Connection::failed(Message message) {
  if (may_pass(message.status)) {
    // The next write attaches it again. The receiver no longer knows it for copies that were sent before.
    forget_number(message.subject);
    failed_segments_[message.subject] = message.status;
  } else if (message.status == CopyStatus::segment_unknown) {
    const auto before = failed_segments_.find(message.subject);
    if (before != failed_segments_.end()) message.status = before->second;
  }
  const auto [code, text] = refusal(message);
  scheduler_.failed(message.ticket, code, text, message.status == CopyStatus::device_lost);
}

void Connection::forget_number(uint64_t number) {
  const auto found = std::find_if(segments_.begin(), segments_.end(),
                                  [number](const auto& known) { return known.second == number; });
  if (found != segments_.end()) forget(found->first);
}

void Connection::hung_up() {
  const bool closed = channel_->closed_by_peer();
  const std::string reason = closed ? "the receiver closed the connection" : "the socket to the receiver failed";
  if (state_ == State::greeting) {
    connect_failed(reason);
  } else {
    give_up(Code::connection_lost, reason, !closed);
  }
}

void Connection::connect_failed(const std::string& message) {
  if (stillborn_) return;
  stillborn_ = true;
  outbox_.put({.id = connect_id_, .code = Code::connection_failed, .message = message});
  give_up(Code::connection_failed, message, false);
}

void Connection::give_up(Code code, const std::string& message, bool landed_unknown) {
  channel_.reset();
  if (state_ != State::broken) {
    failure_code_ = code;
    failure_message_ = message;
    state_ = State::broken;
  }
  scheduler_.fail_all(failure_code_, failure_message_, landed_unknown);
}

Deadline Connection::deadline() const {
  if (stillborn_) return std::nullopt;
  if (state_ == State::connecting) return std::min(connect_deadline_, Clock::now() + connect_retry);
  if (state_ == State::greeting) return connect_deadline_;
  return state_ == State::open ? silence_.next_look() : std::nullopt;
}

}  // namespace kvferry::same_host
