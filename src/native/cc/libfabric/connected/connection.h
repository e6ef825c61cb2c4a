// A sender's connection to one receiver under one grant, by a provider whose endpoints have connections.
//
// Every slice is copied to staging memory first, and written from there. A card reports a slice when the other card has
// it, which is before it is in memory. So a read of the receiver's mark follows the last slice of a write, and the write is
// reported when that read has been answered.
//
// When the connection breaks, the sender asks the receiver, by a connection request, what became of the grant. That
// separates two cases that look alike to the sender: the grant was revoked (`write_rejected`, no byte lands any more),
// or the receiver is gone (`connection_lost`, bytes may still land). A broken connection stays broken.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/connected/names.h"
#include "libfabric/connected/staging_memory.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/poller.h"
#include "core/silence.h"
#include "core/workshop.h"
#include "core/write_scheduler.h"
#include "libfabric/tickets.h"

namespace kvferry::connected {

class Connection {
 public:
  // What a connection shares with the others of its transport.
  struct Surroundings {
    LibfabricDomain& domain;
    Workshop& workshop;
    Outbox& outbox;
    WriteLimits limits;
  };

  // Begins to connect, and answers `connect_id` when that has succeeded or failed. `number` is unique in the transport
  // and part of every ticket of this connection. Throws Failure.
  Connection(const Surroundings& surroundings, uint32_t number, uint32_t connect_id, const Address& address,
             const Token& token, Clock::time_point connect_deadline);
  ~Connection();

  void write(uint32_t id, std::vector<WriteItem> items);
  void stop(uint32_t write) { scheduler_.stop(write); }
  // Ends every write in flight. Nothing is posted afterwards.
  void close();

  // Posts what can be posted now. Returns whether anything was posted.
  bool progress();
  // An operation of this connection has ended; `error` is 0 or a libfabric error number.
  void completed(uint64_t ticket, int error, const std::string& error_text);
  // Ignores an event of another connection.
  void handle(const ConnectionEvent& event);

  // Ends the connection because of an error of this process.
  void fail(const std::string& message);
  bool busy() const { return scheduler_.has_outstanding() || !fences_.empty(); }
  // Whether connecting failed. No caller has its handle, and the transport drops it.
  bool stillborn() const { return stillborn_; }
  Deadline deadline() const;

 private:
  enum class State {
    connecting,
    open,
    asking,  // broken: asking the receiver for the cause
    broken,
  };
  // An endpoint that a thread of the workshop opens. Its parts end in reverse order.
  struct Opened {
    std::unique_ptr<CompletionQueue> queue;
    Handle<fid_ep> endpoint;
    std::string failure;
  };
  // A read of the mark, and the reports that wait for it.
  struct Fence {
    uint64_t ticket;
    const uint64_t* mark;
    std::vector<Completion> reports;
  };

  // Opens an endpoint and connects it with this purpose.
  void reach(Purpose purpose);
  void opened(Opened& result, Purpose purpose);

  bool post();
  // Nothing was posted. Breaks the connection when the receiver has been silent for too long.
  void look();
  // Returns a libfabric result: 0, -FI_EAGAIN or another error. Throws Failure when the slice cannot be read.
  ssize_t post_write(const Slice& slice, uint64_t ticket);
  bool wants_fence() const { return !posted_whole_.empty() || !waiting_.empty(); }
  void post_fence();
  // A write has ended. It is reported now, or when a read that follows it has been answered.
  void ended(Completion completion);
  // Returns false if the ticket is of no fence.
  bool fence_ended(uint64_t ticket);

  void welcomed(const std::vector<uint8_t>& data);
  void refused(const ConnectionEvent& event);
  void told(Verdict verdict);
  void data_broke(Code code, const std::string& text);
  void unanswered(const std::string& why);
  void connect_failed(const std::string& message);
  void give_up(Code code, const std::string& message, bool landed_unknown);

  // Null after the end of this object, for tasks that end later.
  const std::shared_ptr<Connection*> self_;
  const Surroundings around_;
  const uint32_t number_;
  const uint32_t connect_id_;
  const Address address_;
  const Token token_;
  const Clock::time_point connect_deadline_;

  State state_ = State::connecting;
  bool stillborn_ = false;
  WriteScheduler scheduler_;
  Tickets tickets_{number_};
  RemoteMemory arena_;
  Deadline asking_until_;

  Silence silence_;
  uint64_t operations_ended_ = 0;

  StagingMemory staging_;
  bool unfenced_ = false;  // a slice was posted after the newest read
  std::vector<uint32_t> posted_whole_;  // writes whose last slice was posted after the newest read
  std::vector<Completion> waiting_;     // reports that wait for the next read
  std::unordered_map<uint32_t, uint64_t> fence_of_;  // the read that follows the last slice of a write
  std::deque<Fence> fences_;

  // Why the connection broke.
  Code failure_code_ = Code::ok;
  std::string failure_message_;

  std::unique_ptr<CompletionQueue> queue_;
  Handle<fid_ep> endpoint_;  // of the state: it writes when open, and asks when asking
};

}  // namespace kvferry::connected

#endif
