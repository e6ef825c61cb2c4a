// The sender's side of a TCP connection: it gives each slice to the stream that has the fewest bytes on their way.
//
// A write is drained when the receiver has answered each of its frames, or has reported that it revoked the grant. A
// stream that closes without that report proves nothing: the receiver may still read what the network delivered.
//
// Belongs to the thread of its transport.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/outbox.h"
#include "core/poller.h"
#include "core/write_scheduler.h"
#include "tcp/encryption.h"
#include "tcp/options.h"
#include "tcp/protocol.h"
#include "tcp/stream.h"

namespace kvferry::tcp {

class Connection {
 public:
  // `number` is unique in the transport. It and the `streams_max` numbers after it are the poller's tags of the streams.
  // `encryption`: null when `address` is that of a receiver in clear. Throws Failure(connection_failed).
  Connection(Poller& poller, Outbox& outbox, WriteLimits limits, unsigned streams, uint64_t number,
             uint32_t connect_id, const Address& address, Encryption* encryption, const std::string& token,
             Clock::time_point connect_deadline);
  ~Connection();

  void write(uint32_t id, std::vector<WriteItem> items);
  void stop(uint32_t write);
  void close();

  // Whether the tag is that of a stream of this connection, also of one that has ended.
  bool has_stream(uint64_t tag) const { return tag - number_ < streams_max; }
  void ready(uint64_t tag, bool readable, bool writable);
  // Sends and receives what is possible now, within limits. Returns whether there was anything.
  bool progress();
  // Ends the connection because of an error of this process.
  void fail(const std::string& message);
  bool busy() const { return scheduler_.has_outstanding(); }
  bool stillborn() const { return stillborn_; }
  Deadline deadline() const;

 private:
  enum class State { connecting, open, broken };

  std::unique_ptr<Stream> make_stream(size_t index, Clock::time_point deadline);
  void open_others();
  void post_slices();
  bool progress_stream(size_t index);
  void handle(Stream& stream, const Answer& answer);
  void handle_done(Stream& stream, const Answer& answer);
  void stream_ended(size_t index);
  void lost(const std::string& reason);
  void connect_failed(const std::string& message);
  std::string naming_receiver(const std::string& message) const;
  void give_up(Code code, const std::string& message, bool landed_unknown);

  Poller& poller_;
  Outbox& outbox_;
  const unsigned streams_wanted_;
  const uint64_t number_;
  const uint32_t connect_id_;
  const Clock::time_point connect_deadline_;
  const Address address_;
  Hello hello_ = {};
  Encryption* const encryption_;  // null: in clear

  State state_ = State::connecting;
  bool stillborn_ = false;
  Code failure_code_ = Code::ok;
  std::string failure_message_;
  WriteScheduler scheduler_;
  // A stream that did not come about is null. The first one always exists while the connection does.
  std::vector<std::unique_ptr<Stream>> streams_;
  uint64_t last_ticket_ = 0;
};

}  // namespace kvferry::tcp
