#include "libfabric/connection.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <algorithm>

#include "libfabric/failure_code.h"

namespace kvferry {
namespace {

using std::chrono::milliseconds;

// A provider takes no operation before it is connected, and does not report a refusal. So the operation is tried again.
constexpr milliseconds connect_retry{10};
// A connected provider with nothing outstanding takes a write at once. If it takes none for this long, it has silently
// lost its connection.
constexpr milliseconds stall_max{20};
// Longest wait for the grant's record after the connection broke.
constexpr milliseconds ask_max{2000};

}  // namespace

LibfabricConnection::LibfabricConnection(LibfabricDomain& domain, Outbox& outbox, WriteLimits limits,
                                         uint32_t number, uint32_t connect_id, const TargetAddress& address,
                                         const GrantToken& token, Clock::time_point connect_deadline)
    : domain_(domain),
      outbox_(outbox),
      number_(number),
      connect_id_(connect_id),
      address_(address),
      token_(token),
      connect_deadline_(connect_deadline),
      scheduler_(outbox, limits),
      staging_(std::max(limits.window_bytes, limits.slice_bytes)) {
  if (domain_.needs_local_registration()) {
    staging_registration_ = domain_.register_memory(staging_.data(), staging_.bytes(), FI_WRITE, nullptr);
    record_registration_ = domain_.register_memory(&record_, sizeof record_, FI_READ, nullptr);
  }
  control_ = domain_.open_endpoint();
  control_peer_ = control_.insert(address_.endpoint);
  data_ = domain_.open_endpoint();
  data_peer_ = data_.insert(token_.endpoint);
}

LibfabricConnection::~LibfabricConnection() { close(); }

void LibfabricConnection::close() {
  const bool connecting = state_ == State::connecting_control || state_ == State::connecting_data;
  if (connecting && !stillborn_) {
    connect_failed("the connection was closed while it was being made");
    return;
  }
  give_up(Code::connection_lost, "the connection was closed", true);
}

void LibfabricConnection::write(uint32_t id, std::vector<WriteItem> items) {
  scheduler_.add(id, std::move(items));
  if (state_ == State::broken) scheduler_.fail_all(failure_code_, failure_message_, false);
}

bool LibfabricConnection::progress() {
  switch (state_) {
    case State::connecting_control:
    case State::connecting_data:
      return connect_further();
    case State::open:
      if (gives_memory_back() && staging_.is_due()) staging_.give_pages_back();
      if (post_writes()) return true;
      look();
      return false;
    case State::asking:
      if (Clock::now() >= *asking_until_) record_failed("it did not answer");
      return false;
    case State::broken:
      return false;
  }
  return false;
}

bool LibfabricConnection::connect_further() {
  if (stillborn_) return false;
  if (Clock::now() >= connect_deadline_) {
    connect_failed("the receiver was not reached in time");
    return false;
  }
  if (record_ticket_ != 0) return false;
  return state_ == State::connecting_control ? post_record_read(control_, control_peer_, address_.records)
                                             : post_record_read(data_, data_peer_, token_.records);
}

// Returns false when the provider does not take the read now. Handles an error before it returns.
bool LibfabricConnection::post_record_read(const Endpoint& endpoint, fi_addr_t peer, const RemoteMemory& records) {
  const uint64_t ticket = tickets_.next();
  void* description = record_registration_.handle ? ::fi_mr_desc(record_registration_.handle.get()) : nullptr;
  const ssize_t result = ::fi_read(endpoint.endpoint.get(), &record_, sizeof record_, description, peer,
                                   token_.record_address(records), records.key, reinterpret_cast<void*>(ticket));
  if (result == -FI_EAGAIN) return false;
  if (result != 0) {
    record_failed(domain_.error_text(static_cast<int>(-result)));
    return false;
  }
  record_ticket_ = ticket;
  return true;
}

bool LibfabricConnection::post_writes() {
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
    if (result == -FI_EAGAIN) {
      stalled();
      return posted;
    }
    stalled_until_.reset();
    if (result != 0) {
      const int error = static_cast<int>(-result);
      data_broke(error, domain_.error_text(error));
      return posted;
    }
    scheduler_.posted(*slice, ticket);
    posted = true;
  }
  return posted;
}

ssize_t LibfabricConnection::post_write(const Slice& slice, uint64_t ticket) {
  uint8_t* piece = staging_.take(slice.length(), ticket);
  if (piece == nullptr) return -FI_EAGAIN;
  try {
    slice.segment->read(slice.source, piece);
  } catch (const Failure&) {
    staging_.ended(ticket);
    throw;
  }
  void* description = staging_registration_.handle ? ::fi_mr_desc(staging_registration_.handle.get()) : nullptr;
  const iovec local = {piece, slice.length()};
  const fi_rma_iov remote = {token_.arena.base + slice.target_offset, slice.length(), token_.arena.key};
  fi_msg_rma message = {};
  message.msg_iov = &local;
  message.desc = &description;
  message.iov_count = 1;
  message.addr = data_peer_;
  message.rma_iov = &remote;
  message.rma_iov_count = 1;
  message.context = reinterpret_cast<void*>(ticket);
  const ssize_t result = ::fi_writemsg(data_.endpoint.get(), &message, FI_DELIVERY_COMPLETE | FI_COMPLETION);
  if (result != 0) staging_.ended(ticket);
  return result;
}

void LibfabricConnection::look() {
  if (state_ != State::open) return;
  const bool owed = scheduler_.has_outstanding();
  if (owed) silence_.expect();
  if (!silence_.is_due() || !silence_.look(owed, writes_ended_)) return;
  data_broke(FI_ETIMEDOUT, silent_too_long("the receiver answered nothing", process_and_network));
}

// The provider takes no write now. While others are outstanding, that only means that its queue is full.
void LibfabricConnection::stalled() {
  if (scheduler_.has_outstanding()) {
    stalled_until_.reset();
  } else if (!stalled_until_) {
    stalled_until_ = Clock::now() + stall_max;
  } else if (Clock::now() >= *stalled_until_) {
    data_broke(FI_ENOTCONN, domain_.error_text(FI_ENOTCONN));
  }
}

void LibfabricConnection::completed(uint64_t ticket, int error, const std::string& text) {
  if (ticket == record_ticket_) {
    record_ticket_ = 0;
    if (error == 0) {
      record_arrived();
    } else {
      record_failed(text);
    }
    return;
  }
  writes_ended_++;
  staging_.ended(ticket);
  if (error == 0) {
    scheduler_.delivered(ticket);
  } else if (state_ == State::open) {
    data_broke(error, text);
  }
  // A failed slice stays outstanding until the grant's record has given the cause.
}

void LibfabricConnection::data_broke(int error, const std::string& text) {
  failure_code_ = failure_code_of(error);
  failure_message_ = domain_.provider() + ": " + text;
  stalled_until_.reset();
  state_ = State::asking;
  asking_until_ = Clock::now() + ask_max;
  // The control endpoint is connected. If it takes no operation, the receiver is gone.
  if (!post_record_read(control_, control_peer_, address_.records)) record_failed("it is not connected");
}

void LibfabricConnection::record_arrived() {
  const bool same_agent = record_.agent == address_.agent;
  const bool same_grant = same_agent && record_.grant == token_.grant;
  switch (state_) {
    case State::connecting_control:
    case State::connecting_data:
      if (!same_agent) {
        connect_failed("the receiver was replaced: its address belongs to another receiver now");
      } else if (!same_grant || record_.state != GrantState::live) {
        connect_failed("the grant was revoked");
      } else if (state_ == State::connecting_control) {
        scheduler_.set_target_bytes(record_.arena_bytes);
        state_ = State::connecting_data;
      } else {
        state_ = State::open;
        outbox_.put({.id = connect_id_, .handle = number_});
      }
      return;
    case State::asking:
      if (same_grant && record_.state == GrantState::revoking) {
        if (!post_record_read(control_, control_peer_, address_.records)) record_failed("it is not connected");
      } else if (same_agent && !same_grant) {
        give_up(Code::write_rejected, "the grant was revoked (" + failure_message_ + ")", false);
      } else {
        give_up(same_agent ? failure_code_ : Code::connection_lost, failure_message_, true);
      }
      return;
    case State::open:
    case State::broken:
      return;
  }
}

void LibfabricConnection::record_failed(const std::string& why) {
  if (state_ == State::connecting_control || state_ == State::connecting_data) {
    connect_failed(domain_.provider() + ": " + why);
  } else if (state_ == State::asking) {
    give_up(Code::connection_lost, failure_message_ + " (asking the receiver: " + why + ")", true);
  }
}

void LibfabricConnection::fail(const std::string& message) {
  if (state_ == State::connecting_control || state_ == State::connecting_data) {
    connect_failed(message);
  } else {
    give_up(Code::fabric_error, message, true);
  }
}

void LibfabricConnection::connect_failed(const std::string& message) {
  if (stillborn_) return;
  stillborn_ = true;
  outbox_.put({.id = connect_id_, .code = Code::connection_failed, .message = message});
  give_up(Code::connection_failed, message, false);
}

// Closes the endpoints first. That ends every use of the source segments, so their writes can be reported.
void LibfabricConnection::give_up(Code code, const std::string& message, bool landed_unknown) {
  data_.close();
  control_.close();
  record_registration_.handle.reset();
  staging_registration_.handle.reset();
  record_ticket_ = 0;
  asking_until_.reset();
  stalled_until_.reset();
  if (state_ != State::broken) {
    failure_code_ = code;
    failure_message_ = message;
    state_ = State::broken;
  }
  scheduler_.fail_all(failure_code_, failure_message_, landed_unknown);
}

Deadline LibfabricConnection::deadline() const {
  if (stillborn_) return std::nullopt;
  if (state_ == State::connecting_control || state_ == State::connecting_data) {
    return std::min(connect_deadline_, Clock::now() + connect_retry);
  }
  const bool waits = state_ == State::open && gives_memory_back();
  const Deadline look = state_ == State::open ? silence_.next_look() : std::nullopt;
  return earliest(earliest(stalled_until_, asking_until_), earliest(waits ? staging_.deadline() : std::nullopt, look));
}

}  // namespace kvferry

#endif
