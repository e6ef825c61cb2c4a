// The sender's end of one stream: it sends frames, in the order in which they were posted.
//
// A frame on its way cannot be taken back. If its source shrinks, the stream sends zeros in place of the missing bytes,
// so that the next frame begins where the receiver expects it. The frame is `spoilt`, and its slice has failed.
//
// Belongs to the thread of its transport.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/poller.h"
#include "core/silence.h"
#include "core/write_scheduler.h"
#include "tcp/protocol.h"
#include "tcp/wire.h"

namespace kvferry::tcp {

class Stream {
 public:
  // `wire` is connecting. `deadline`: until then the receiver must have answered the hello.
  Stream(Poller& poller, std::unique_ptr<Wire> wire, uint64_t tag, const Hello& hello, Clock::time_point deadline);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void ready(bool readable, bool writable);
  void post(const Slice& slice, uint64_t ticket);
  uint64_t outstanding_bytes() const { return outstanding_bytes_; }
  // The receiver welcomed the stream.
  void opened() { open_ = true; }
  bool open() const { return open_; }
  // Until then the receiver must have welcomed the stream.
  Clock::time_point open_deadline() const { return deadline_; }
  // When `progress` must run although nothing is ready.
  Deadline deadline() const { return open_ ? silence_.next_look() : deadline_; }

  enum class Turn { idle, worked, ended };
  // Sends and receives what is possible now, within limits. Appends the answers that arrived.
  Turn progress(std::vector<Answer>& answers);
  // Why the stream has ended.
  const std::string& reason() const { return reason_; }

  // The receiver answered the frame. Returns why its bytes are not those of the source; empty when they are. Null when
  // no such frame waits for an answer.
  std::optional<std::string> completed(uint64_t ticket);

 private:
  enum class Phase { connecting, establishing, established };
  struct Outstanding {
    uint64_t length;
    std::string spoilt;
  };
  struct Frame {
    Slice slice;
    uint64_t ticket;
    size_t header_sent = 0;
    uint64_t sent = 0;
    bool spoilt = false;
  };

  bool establish();
  // Nothing is ready. Ends the stream when the receiver has been silent for too long.
  Turn rest();
  Turn send();
  // Each returns what `Wire` does.
  ssize_t send_hello();
  ssize_t send_header(Frame& frame);
  ssize_t send_body(Frame& frame, uint64_t bytes_max);
  ssize_t send_copy(Frame& frame);
  std::string read_copy(const Frame& frame);
  void spoil(Frame& frame, const std::string& why);
  Turn receive(std::vector<Answer>& answers);
  void watch_writable(bool on);
  Turn end(const std::string& reason);

  Poller& poller_;
  const std::unique_ptr<Wire> wire_;
  const uint64_t tag_;
  const Hello hello_;
  const Clock::time_point deadline_;

  Phase phase_ = Phase::connecting;
  bool open_ = false;
  bool readable_ = false;
  bool writable_ = false;
  bool watching_writable_ = false;
  std::string reason_;

  size_t hello_sent_ = 0;
  std::deque<Frame> frames_;
  std::unordered_map<uint64_t, Outstanding> outstanding_;
  uint64_t outstanding_bytes_ = 0;
  Silence silence_;
  uint64_t sent_bytes_ = 0;
  uint64_t frames_answered_ = 0;
  // Bytes of the first frame that were read and not sent, for a wire or a file that needs a copy. At most 64 KiB.
  std::vector<uint8_t> copy_;
  size_t copy_sent_ = 0;

  std::vector<uint8_t> received_;
  size_t received_bytes_ = 0;
};

}  // namespace kvferry::tcp
