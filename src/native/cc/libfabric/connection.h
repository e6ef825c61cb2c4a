// A sender's connection to one receiver under one grant.
//
// It has two endpoints. `data` leads to the grant's endpoint and carries the writes. `control` leads to the receiver's
// own endpoint. It is connected from the start and idle until `data` breaks. Then the sender reads the grant's record
// over it. The record separates two cases that look alike to the sender: the grant was revoked (`write_rejected`, no
// byte lands any more), or the receiver is gone (`connection_lost`, bytes may still land).
//
// A broken connection stays broken. Otherwise a provider that reconnects by itself would bring a fenced writer back.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <string>
#include <vector>

#include "libfabric/target.h"
#include "core/poller.h"
#include "core/silence.h"
#include "core/staging.h"
#include "core/write_scheduler.h"
#include "libfabric/tickets.h"

namespace kvferry {

class LibfabricConnection {
 public:
  // Begins to connect, and answers `connect_id` when that has succeeded or failed. `number` is unique in the transport
  // and part of every ticket of this connection. Throws Failure.
  LibfabricConnection(LibfabricDomain& domain, Outbox& outbox, WriteLimits limits, uint32_t number,
                      uint32_t connect_id, const TargetAddress& address, const GrantToken& token,
                      Clock::time_point connect_deadline);
  ~LibfabricConnection();

  void write(uint32_t id, std::vector<WriteItem> items);
  void stop(uint32_t write) { scheduler_.stop(write); }
  // Ends every write in flight. Nothing is posted afterwards.
  void close();

  // Posts what can be posted now. Returns whether anything was posted.
  bool progress();
  // An operation of this connection has ended; `error` is 0 or a libfabric error number.
  void completed(uint64_t ticket, int error, const std::string& error_text);

  // Ends the connection because of an error of this process.
  void fail(const std::string& message);
  bool busy() const { return scheduler_.has_outstanding() || record_ticket_ != 0; }
  // Whether connecting failed. No caller has its handle, and the transport drops it.
  bool stillborn() const { return stillborn_; }
  Deadline deadline() const;

 private:
  enum class State {
    connecting_control,
    connecting_data,
    open,
    asking,  // broken: reading the grant's record to find the cause
    broken,
  };

  bool post_record_read(const Endpoint& endpoint, fi_addr_t address, const RemoteMemory& records);
  bool post_writes();
  // Returns a libfabric result: 0, -FI_EAGAIN or another error. Throws Failure when the slice cannot be read.
  ssize_t post_write(const Slice& slice, uint64_t ticket);
  // Registered memory stays: its pages are pinned.
  bool gives_memory_back() const { return !staging_registration_.handle; }
  void stalled();
  // Nothing was posted. Breaks the connection when the receiver has been silent for too long.
  void look();
  bool connect_further();
  void record_arrived();
  void record_failed(const std::string& why);
  void connect_failed(const std::string& message);
  void data_broke(int error, const std::string& text);
  void give_up(Code code, const std::string& message, bool landed_unknown);

  LibfabricDomain& domain_;
  Outbox& outbox_;
  const uint32_t number_;
  const uint32_t connect_id_;
  const TargetAddress address_;
  const GrantToken token_;
  const Clock::time_point connect_deadline_;

  State state_ = State::connecting_control;
  bool stillborn_ = false;
  WriteScheduler scheduler_;
  Tickets tickets_{number_};

  // Target of a record read. Registered while a provider may write to it.
  OwnPages record_pages_{sizeof(GrantRecord)};
  GrantRecord& record_ = *reinterpret_cast<GrantRecord*>(record_pages_.data());
  Registration record_registration_;
  uint64_t record_ticket_ = 0;  // 0: no read is outstanding

  // Set while the provider takes no write although none is outstanding: the end of the tolerated time.
  Deadline stalled_until_;
  Silence silence_;
  uint64_t writes_ended_ = 0;
  Deadline asking_until_;

  Staging staging_;
  Registration staging_registration_;  // for providers that need registered memory

  // Why the connection broke.
  Code failure_code_ = Code::ok;
  std::string failure_message_;

  Endpoint control_;
  fi_addr_t control_peer_ = FI_ADDR_UNSPEC;
  Endpoint data_;
  fi_addr_t data_peer_ = FI_ADDR_UNSPEC;
};

}  // namespace kvferry

#endif
