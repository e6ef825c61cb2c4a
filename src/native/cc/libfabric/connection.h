// A sender's way to one receiver under one grant.
//
// Two endpoints. `data` leads to the endpoint of the grant and carries the writes. `control` leads to the receiver's
// own endpoint; it is connected from the start and then idle until `data` breaks. Reading the grant's record over it
// tells the two apart that look alike from here: fenced (`write_rejected`, nothing lands any more) and receiver gone
// (`connection_lost`, bytes may still be on their way).
//
// Once broken it stays broken: providers that reconnect by themselves would otherwise bring a fenced writer back.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <functional>
#include <string>
#include <vector>

#include "libfabric/target.h"
#include "core/poller.h"
#include "core/segment_mapping.h"
#include "core/staging.h"
#include "core/write_scheduler.h"

namespace kvferry {

class LibfabricConnection {
 public:
  // A segment as memory of this process; `description` is set where the provider wants its memory registered.
  struct SourceMemory {
    SegmentMapping* mapping;
    void* description;
  };
  // Throws Failure.
  using MapSegment = std::function<SourceMemory(Segment*)>;

  // Begins to connect; `connect_id` is answered when that has succeeded or failed. `number` is unique in the transport:
  // the tickets of this connection's operations carry it. Throws Failure.
  LibfabricConnection(LibfabricDomain& domain, Outbox& outbox, WriteLimits limits, MapSegment map_segment,
                      uint32_t number, uint32_t connect_id, const TargetAddress& address, const GrantToken& token,
                      Clock::time_point connect_deadline);
  ~LibfabricConnection();

  void write(uint32_t id, std::vector<WriteItem> items);
  void stop(uint32_t write) { scheduler_.stop(write); }
  // Ends what is in flight. Nothing is posted after it.
  void close();

  // Posts what can be posted; answers whether anything was.
  bool progress();
  // An operation of this connection has ended; `error` is 0 or a libfabric error number.
  void completed(uint64_t ticket, int error, const std::string& error_text);

  bool busy() const { return scheduler_.has_outstanding() || record_ticket_ != 0; }
  // Failed to connect: nobody has its handle, the transport drops it.
  bool stillborn() const { return stillborn_; }
  Deadline deadline() const;

 private:
  enum class State {
    connecting_control,
    connecting_data,
    open,
    asking,  // broken; reading the grant's record to learn why
    broken,
  };

  bool post_record_read(const Endpoint& endpoint, fi_addr_t address, const RemoteMemory& records);
  bool post_writes();
  // A libfabric result: 0, -FI_EAGAIN or another error. Throws Failure when the slice cannot be had.
  ssize_t post_write(const Slice& slice, uint64_t ticket);
  ssize_t post_write(const Slice& slice, uint64_t ticket, const uint8_t* source, void* description);
  void stalled();
  bool connect_further();
  void record_arrived();
  void record_failed(const std::string& why);
  void connect_failed(const std::string& message);
  void data_broke(int error, const std::string& text);
  void give_up(Code code, const std::string& message, bool landed_unknown);
  uint64_t next_ticket();

  LibfabricDomain& domain_;
  Outbox& outbox_;
  const MapSegment map_segment_;
  const uint32_t number_;
  const uint32_t connect_id_;
  const TargetAddress address_;
  const GrantToken token_;
  const Clock::time_point connect_deadline_;

  State state_ = State::connecting_control;
  bool stillborn_ = false;
  WriteScheduler scheduler_;
  uint32_t last_sequence_ = 0;

  // Where a record is read to; registered while a provider may write to it.
  GrantRecord record_;
  Registration record_registration_;
  uint64_t record_ticket_ = 0;  // 0: no read is outstanding

  // While the provider takes no write and none is outstanding: since when that is tolerated no longer.
  Deadline stalled_until_;
  Deadline asking_until_;

  Staging staging_;

  // Why it broke.
  Code failure_code_ = Code::ok;
  std::string failure_message_;

  Endpoint control_;
  fi_addr_t control_peer_ = FI_ADDR_UNSPEC;
  Endpoint data_;
  fi_addr_t data_peer_ = FI_ADDR_UNSPEC;
};

}  // namespace kvferry

#endif
