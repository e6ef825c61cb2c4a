// One end of a same-host connection. It sends packets of messages, and descriptors with them. Never blocks.
// Belongs to the thread of its side.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "core/poller.h"
#include "core/segment.h"
#include "core/unique_fd.h"
#include "same_host/options.h"
#include "same_host/protocol.h"

namespace kvferry::same_host {

// The socket on which a receiver listens.
struct ListeningSocket {
  UniqueFd fd;
  std::string path;

  // Removes the sockets of dead receivers from the directory, then listens under a new name.
  // Throws Failure(provider_unavailable).
  static ListeningSocket open(const Options& options);
  void close();
};

// Returns an empty descriptor when the receiver's queue of new connections is full. Throws Failure(connection_failed), also when a
// process of another user listens there: this one passes the files of its engines to it.
UniqueFd connect_to(const std::string& path, const Options& options);

// Whether the process at the other end may work with this one. The kernel noted its user when it connected, or listened.
bool may_work_with(int fd, const Options& options);

class Channel {
 public:
  Channel(Poller& poller, UniqueFd fd, uint64_t tag);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  enum class Received { nothing, packet, hung_up };
  // Receives one packet, so that a peer that sends without end cannot keep the thread. `descriptors`: those that arrived
  // with the packet.
  Received receive(std::vector<Message>& messages, std::vector<UniqueFd>& descriptors);

  // Queues the message until `flush`. Sends the descriptor of the segment with it, if there is one.
  void send(const Message& message, std::shared_ptr<const Segment> segment = nullptr);
  // Returns false when nothing can be sent any more.
  bool flush();
  // After `hung_up`, or after `flush` returned false: the other end has closed the channel, so it executes nothing more. Otherwise
  // the fault is on this side, and the other end may still execute what was sent.
  bool closed_by_peer() const { return closed_by_peer_; }
  // The poller reports this channel no longer.
  void deafen();
  size_t unsent() const { return unsent_.size(); }

 private:
  struct Unsent {
    Message message;
    std::shared_ptr<const Segment> segment;  // null: a message without a descriptor
  };
  // Returns the number of messages sent, or -1 with errno.
  ssize_t send_packet();

  Poller& poller_;
  UniqueFd fd_;
  const uint64_t tag_;
  std::deque<Unsent> unsent_;
  bool watching_writable_ = false;
  bool closed_by_peer_ = false;
};

}  // namespace kvferry::same_host
