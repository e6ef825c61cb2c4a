// The receiver's end of one stream. The bytes of a frame go from the socket to the arena, without a copy between.
//
// A peer is a stranger until its hello has named a grant and its secret. After `fence` it writes nothing to the arena:
// what still arrives is forgotten, so that the sender can read why.
//
// Belongs to the thread of its transport.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/arena.h"
#include "core/poller.h"
#include "tcp/protocol.h"
#include "tcp/wire.h"

namespace kvferry::tcp {

class Peer {
 public:
  Peer(Poller& poller, std::unique_ptr<Wire> wire, uint64_t tag, const Arena& arena);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  void ready(bool readable, bool writable);
  // `waits`: for the socket. `unfinished`: the limit of a turn was reached. `greeted`: a hello is there, and the
  // receiver decides about it. `ended`: the peer left, broke the protocol, or was refused.
  enum class Turn { waits, unfinished, greeted, ended };
  Turn progress();

  const Hello& hello() const { return hello_; }
  void welcome();
  void refuse();
  // From here on no byte of this peer lands.
  void fence();
  // The grant of a peer that was welcomed; 0 before.
  uint64_t grant() const { return grant_; }
  // In the middle of a frame.
  bool busy() const { return state_ == State::writing && body_left_ > 0; }

 private:
  enum class State { establishing, greeting, judged, writing, leaving };
  enum class Step { again, blocked, ended };

  Turn turn();
  void wait();
  Turn establish();
  Turn greet();
  // Each adds the bytes that it received to `moved`.
  Step receive_some(uint64_t bytes_max, uint64_t& moved);
  Step receive_body(uint64_t bytes_max, uint64_t& moved);
  Step leave(uint64_t& moved);
  Step receive_header();
  Step begin_frame();
  ssize_t receive_into_arena(uint64_t length);
  void end_frame();
  void answer(AnswerKind kind, FrameStatus status, uint64_t ticket, uint64_t value);
  // Returns false when the peer is gone, or does not read its answers.
  bool flush();

  Poller& poller_;
  const std::unique_ptr<Wire> wire_;
  const uint64_t tag_;
  const Arena& arena_;

  State state_ = State::establishing;
  bool readable_ = false;
  bool writable_ = true;
  bool watching_writable_ = false;

  Hello hello_ = {};
  size_t hello_bytes_ = 0;
  uint64_t grant_ = 0;
  FrameHeader frame_ = {};
  FrameHeader next_ = {};  // the header that arrives
  size_t next_bytes_ = 0;
  uint64_t body_left_ = 0;
  FrameStatus status_ = FrameStatus::landed;

  std::vector<uint8_t> unsent_;
  bool finished_ = false;
};

}  // namespace kvferry::tcp
