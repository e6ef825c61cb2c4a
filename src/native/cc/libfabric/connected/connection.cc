#include "libfabric/connected/connection.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "libfabric/failure_code.h"

namespace kvferry::connected {
namespace {

using std::chrono::milliseconds;

// Longest wait for the receiver's answer after the connection broke.
constexpr milliseconds ask_max{2000};
// When a provider took neither a write nor a read, although none is outstanding.
constexpr milliseconds retry_after{1};
// Reads at once. A device has room for 16 and more.
constexpr size_t fences_max = 4;
// Room in the staging memory for what reads bring.
constexpr size_t marks_bytes = 4096;

const char* text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::welcome: return "it has accepted the connection";
    case Verdict::other_agent: return "the receiver was replaced: its address belongs to another receiver now";
    case Verdict::grant_unknown: return "the grant was revoked";
    case Verdict::grant_live: return "the grant is live";
    case Verdict::grant_busy: return "the grant has too many connections";
  }
  return "its answer is unknown";
}

}  // namespace

Connection::Connection(const Surroundings& surroundings, uint32_t number, uint32_t connect_id, const Address& address,
                       const Token& token, Clock::time_point connect_deadline)
    : self_(std::make_shared<Connection*>(this)),
      around_(surroundings),
      number_(number),
      connect_id_(connect_id),
      address_(address),
      token_(token),
      connect_deadline_(connect_deadline),
      scheduler_([this](Completion completion) { ended(std::move(completion)); }, surroundings.limits),
      staging_(surroundings.domain, surroundings.workshop,
               std::max(surroundings.limits.window_bytes, surroundings.limits.slice_bytes) + marks_bytes) {
  reach(Purpose::write);
}

Connection::~Connection() {
  *self_ = nullptr;
  close();
}

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

void Connection::reach(Purpose purpose) {
  const auto result = std::make_shared<Opened>();
  result->queue = around_.domain.open_queue();
  around_.workshop.run([&domain = around_.domain, self = self_, peer = address_.listener, purpose, result] {
    try {
      result->endpoint = domain.open_active(peer, *result->queue);
    } catch (const std::exception& error) {
      result->failure = error.what();
    }
    return Workshop::Then([self, purpose, result] {
      if (*self != nullptr) (*self)->opened(*result, purpose);
    });
  });
}

void Connection::opened(Opened& result, Purpose purpose) {
  const State expected = purpose == Purpose::write ? State::connecting : State::asking;
  if (state_ != expected || stillborn_) return;
  if (!result.endpoint) {
    unanswered(result.failure);
    return;
  }
  queue_ = std::move(result.queue);
  endpoint_ = std::move(result.endpoint);
  Hello hello;
  hello.purpose = purpose;
  hello.agent = address_.agent;
  hello.grant = token_.grant;
  hello.secret = token_.secret;
  const int error = ::fi_connect(endpoint_.get(), address_.listener.data(), &hello, sizeof hello);
  if (error != 0) unanswered(around_.domain.error_text(-error));
}

bool Connection::progress() {
  switch (state_) {
    case State::connecting:
      if (!stillborn_ && Clock::now() >= connect_deadline_) connect_failed("the receiver was not reached in time");
      return false;
    case State::open:
      staging_.give_back_when_idle();
      if (post()) return true;
      look();
      return false;
    case State::asking:
      if (Clock::now() >= *asking_until_) unanswered("it did not answer");
      return false;
    case State::broken:
      return false;
  }
  return false;
}

bool Connection::post() {
  if (scheduler_.idle() && waiting_.empty()) return false;
  try {
    if (!staging_.ready()) return false;
  } catch (const std::exception& error) {
    give_up(Code::fabric_error, error.what(), false);
    return false;
  }
  bool posted = false;
  while (const auto slice = scheduler_.next()) {
    const uint64_t ticket = tickets_.next();
    ssize_t result = 0;
    try {
      result = post_write(*slice, ticket);
    } catch (const Failure& failure) {
      scheduler_.refused(*slice, failure.code, failure.what());
      continue;
    }
    if (result == -FI_EAGAIN) break;
    if (result != 0) {
      const int error = static_cast<int>(-result);
      data_broke(failure_code_of(error), around_.domain.error_text(error));
      return posted;
    }
    if (scheduler_.posted(*slice, ticket)) posted_whole_.push_back(slice->write);
    unfenced_ = true;
    posted = true;
  }
  if (wants_fence() && fences_.size() < fences_max) post_fence();
  return posted;
}

void Connection::look() {
  if (state_ != State::open) return;
  if (busy()) silence_.expect();
  if (!silence_.is_due() || !silence_.look(busy(), operations_ended_)) return;
  data_broke(Code::connection_lost, silent_too_long("the receiver answered nothing", process_and_network));
}

ssize_t Connection::post_write(const Slice& slice, uint64_t ticket) {
  uint8_t* piece = staging_.take(slice.length(), ticket);
  if (piece == nullptr) return -FI_EAGAIN;
  try {
    slice.segment->read(slice.source, piece);
  } catch (const Failure&) {
    staging_.ended(ticket);
    throw;
  }
  void* local_description = staging_.description();
  const iovec local = {piece, slice.length()};
  const fi_rma_iov remote = {arena_.base + slice.target_offset, slice.length(), arena_.key};
  fi_msg_rma message = {};
  message.msg_iov = &local;
  message.desc = &local_description;
  message.iov_count = 1;
  message.rma_iov = &remote;
  message.rma_iov_count = 1;
  message.context = reinterpret_cast<void*>(ticket);
  const ssize_t result = ::fi_writemsg(endpoint_.get(), &message, FI_COMPLETION);
  if (result != 0) staging_.ended(ticket);
  return result;
}

// Without room the read is posted when another operation has ended.
void Connection::post_fence() {
  const uint64_t ticket = tickets_.next();
  auto* mark = reinterpret_cast<uint64_t*>(staging_.take(sizeof(uint64_t), ticket));
  if (mark == nullptr) return;
  *mark = 0;
  const ssize_t result = ::fi_read(endpoint_.get(), mark, sizeof *mark, staging_.description(), FI_ADDR_UNSPEC,
                                   address_.mark.base, address_.mark.key, reinterpret_cast<void*>(ticket));
  if (result == 0) {
    for (const uint32_t write : posted_whole_) fence_of_[write] = ticket;
    posted_whole_.clear();
    fences_.push_back({ticket, mark, std::move(waiting_)});
    waiting_.clear();
    unfenced_ = false;
    return;
  }
  staging_.ended(ticket);
  const int error = static_cast<int>(-result);
  if (error != FI_EAGAIN) data_broke(failure_code_of(error), around_.domain.error_text(error));
}

void Connection::completed(uint64_t ticket, int error, const std::string& text) {
  if (state_ != State::open) return;
  if (error != 0) {
    data_broke(failure_code_of(error), text);
    return;
  }
  operations_ended_++;
  if (fence_ended(ticket)) return;
  staging_.ended(ticket);
  scheduler_.delivered(ticket);
}

void Connection::ended(Completion completion) {
  const auto found = fence_of_.find(completion.id);
  const uint64_t ticket = found == fence_of_.end() ? 0 : found->second;
  if (found != fence_of_.end()) fence_of_.erase(found);
  const auto fence =
      std::find_if(fences_.begin(), fences_.end(), [ticket](const Fence& posted) { return posted.ticket == ticket; });
  if (state_ != State::open || (fences_.empty() && !unfenced_)) {
    around_.outbox.put(std::move(completion));
  } else if (fence != fences_.end()) {
    fence->reports.push_back(std::move(completion));
  } else {
    waiting_.push_back(std::move(completion));
  }
}

bool Connection::fence_ended(uint64_t ticket) {
  const auto found = std::find_if(fences_.begin(), fences_.end(), [ticket](const Fence& fence) {
    return fence.ticket == ticket;
  });
  if (found == fences_.end()) return false;
  Fence fence = std::move(*found);
  fences_.erase(found);
  const bool right_memory = *fence.mark == address_.agent;
  staging_.ended(ticket);
  if (!right_memory) {
    for (Completion& report : fence.reports) waiting_.push_back(std::move(report));
    data_broke(Code::fabric_error, "the receiver's memory is not where it was");
    return true;
  }
  for (Completion& report : fence.reports) around_.outbox.put(std::move(report));
  return true;
}

void Connection::handle(const ConnectionEvent& event) {
  if (!endpoint_ || event.object != &endpoint_->fid) return;
  switch (event.kind) {
    case ConnectionEvent::Kind::connected:
      if (state_ == State::connecting) welcomed(event.data);
      return;
    case ConnectionEvent::Kind::refused:
      refused(event);
      return;
    case ConnectionEvent::Kind::ended:
      if (state_ == State::open) {
        data_broke(Code::connection_lost, "the receiver closed the connection");
      } else {
        unanswered("it closed the connection");
      }
      return;
    case ConnectionEvent::Kind::request:
    case ConnectionEvent::Kind::other:
      return;
  }
}

void Connection::welcomed(const std::vector<uint8_t>& data) {
  const auto answer = answer_of(data.data(), data.size());
  if (!answer || answer->verdict != Verdict::welcome) {
    connect_failed("the receiver's answer is malformed");
    return;
  }
  arena_ = answer->arena;
  scheduler_.set_target_bytes(answer->arena_bytes);
  state_ = State::open;
  try {
    staging_.ready();
  } catch (const std::exception&) {
    // The first write reports it.
  }
  around_.outbox.put({.id = connect_id_, .handle = number_});
}

void Connection::refused(const ConnectionEvent& event) {
  const auto answer = answer_of(event.data.data(), event.data.size());
  if (state_ == State::open) {
    data_broke(Code::connection_lost, event.text);
  } else if (!answer) {
    unanswered(event.text);
  } else if (state_ == State::connecting) {
    connect_failed(text_of(answer->verdict));
  } else {
    told(answer->verdict);
  }
}

// What became of the grant, after the connection broke.
void Connection::told(Verdict verdict) {
  switch (verdict) {
    case Verdict::grant_unknown:
      give_up(Code::write_rejected, std::string(text_of(verdict)) + " (" + failure_message_ + ")", false);
      return;
    case Verdict::other_agent:
      give_up(Code::connection_lost, failure_message_, true);
      return;
    case Verdict::welcome:
    case Verdict::grant_live:
    case Verdict::grant_busy:
      give_up(failure_code_, failure_message_, true);
      return;
  }
  unanswered(text_of(verdict));
}

// Closing the endpoint ends every use of the staging memory.
void Connection::data_broke(Code code, const std::string& text) {
  failure_code_ = code;
  failure_message_ = around_.domain.provider() + ": " + text;
  endpoint_.reset();
  queue_.reset();
  state_ = State::asking;
  asking_until_ = Clock::now() + ask_max;
  try {
    reach(Purpose::ask);
  } catch (const std::exception& error) {
    unanswered(error.what());
  }
}

// Connecting, or asking, has failed without an answer.
void Connection::unanswered(const std::string& why) {
  if (state_ == State::connecting) {
    connect_failed(around_.domain.provider() + ": " + why);
  } else if (state_ == State::asking) {
    give_up(Code::connection_lost, failure_message_ + " (asking the receiver: " + why + ")", true);
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
  around_.outbox.put({.id = connect_id_, .code = Code::connection_failed, .message = message});
  give_up(Code::connection_failed, message, false);
}

void Connection::give_up(Code code, const std::string& message, bool landed_unknown) {
  endpoint_.reset();
  queue_.reset();
  asking_until_.reset();
  if (state_ != State::broken) {
    failure_code_ = code;
    failure_message_ = message;
    state_ = State::broken;
  }
  for (Fence& fence : fences_) std::move(fence.reports.begin(), fence.reports.end(), std::back_inserter(waiting_));
  fences_.clear();
  // Nobody knows what of them is in memory.
  for (Completion& report : std::exchange(waiting_, {})) {
    if (report.code == Code::ok) {
      report.code = failure_code_;
      report.message = failure_message_;
    }
    report.bytes = 0;
    report.drained = !landed_unknown;
    around_.outbox.put(std::move(report));
  }
  scheduler_.fail_all(failure_code_, failure_message_, landed_unknown);
}

Deadline Connection::deadline() const {
  if (stillborn_) return std::nullopt;
  if (state_ == State::connecting) return connect_deadline_;
  if (state_ == State::asking) return asking_until_;
  if (state_ == State::broken) return std::nullopt;
  const bool waits_for_nothing = (!scheduler_.idle() || !waiting_.empty()) && staging_.empty();
  const Deadline next = waits_for_nothing ? Deadline(Clock::now() + retry_after) : staging_.deadline();
  return earliest(next, silence_.next_look());
}

}  // namespace kvferry::connected

#endif
