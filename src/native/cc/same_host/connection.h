// The sender's side of the same-host path: the sender requests copies, and the receiver copies.
//
// When the receiver's end of the socket closes, the receiver has ended or dropped the connection. In both cases it
// copies nothing more, because the kernel closes a process's descriptors after its last thread has stopped. So writes
// that fail for that reason are drained. When the sender closes first, a copy may still run at the receiver.
//
// Belongs to the JavaScript thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/outbox.h"
#include "core/poller.h"
#include "core/silence.h"
#include "core/write_scheduler.h"
#include "same_host/socket.h"

namespace kvferry::same_host {

class Connection {
 public:
  // `options` must outlive the connection. `number` is unique in the transport and is also the poller's tag.
  // Throws Failure(connection_failed).
  Connection(Poller& poller, Outbox& outbox, WriteLimits limits, const Options& options, uint64_t number, uint32_t connect_id,
             const std::string& address, const std::string& token, Clock::time_point connect_deadline);
  ~Connection();

  void write(uint32_t id, std::vector<WriteItem> items);
  void stop(uint32_t write);
  void close();
  void forget(const Segment* segment);

  // Reads one packet of answers.
  void readable();
  // Requests every copy that the window allows.
  void progress();
  // Ends the connection because of an error of this process.
  void fail(const std::string& message);
  // Ends the connection when the receiver has been silent for too long. Called now and then.
  void look();
  bool stillborn() const { return stillborn_; }
  Deadline deadline() const;

 private:
  enum class State { connecting, greeting, open, broken };

  void reach();
  void handle(const Message& message);
  void hung_up();
  void connect_failed(const std::string& message);
  void give_up(Code code, const std::string& message, bool landed_unknown);
  uint64_t segment_number(Segment* segment);
  void send_attach(uint64_t number, const Segment& segment);
  void failed(Message message);
  void forget_number(uint64_t number);

  Poller& poller_;
  Outbox& outbox_;
  const Options& options_;
  const uint64_t number_;
  const uint32_t connect_id_;
  const Clock::time_point connect_deadline_;
  std::string path_;
  uint64_t token_[2] = {0, 0};

  State state_ = State::connecting;
  bool stillborn_ = false;
  Code failure_code_ = Code::ok;
  std::string failure_message_;
  std::unique_ptr<Channel> channel_;
  WriteScheduler scheduler_;
  Silence silence_;
  uint64_t copies_answered_ = 0;
  // Segments that the receiver has, with their numbers. A number is never used again.
  std::unordered_map<const Segment*, uint64_t> segments_;
  // Why segments were forgotten that copies on their way still name.
  std::unordered_map<uint64_t, CopyStatus> failed_segments_;
  uint64_t last_segment_ = 0;
  uint64_t last_ticket_ = 0;
};

}  // namespace kvferry::same_host
