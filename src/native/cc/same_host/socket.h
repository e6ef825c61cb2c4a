// One end of a same-host connection: packets of messages, and descriptors beside them. Never blocks.
// Belongs to the thread of its transport.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "core/poller.h"
#include "same_host/protocol.h"
#include "core/unique_fd.h"

namespace kvferry::same_host {

// Where a receiver listens.
struct ListeningSocket {
  UniqueFd fd;
  std::string path;

  // Removes what dead receivers left in the directory, then listens under a name of its own.
  // Throws Failure(provider_unavailable).
  static ListeningSocket open(const std::string& directory);
  void close();
};

// Throws Failure(connection_failed); answers an empty descriptor when the receiver is too busy just now.
UniqueFd connect_to(const std::string& path);

class Channel {
 public:
  Channel(Poller& poller, UniqueFd fd, uint64_t tag);
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  enum class Received { nothing, packet, hung_up };
  // `descriptors` are those that came with the packet.
  Received receive(std::vector<Message>& messages, std::vector<UniqueFd>& descriptors);

  // Queued until `flush`; a descriptor is duplicated and goes with its message.
  void send(const Message& message, int descriptor = -1);
  // False: the other end is gone.
  bool flush();
  bool has_unsent() const { return !unsent_.empty(); }

 private:
  struct Unsent {
    Message message;
    UniqueFd descriptor;
  };
  // Answers how many messages went, or -1 with errno.
  ssize_t send_packet();

  Poller& poller_;
  UniqueFd fd_;
  const uint64_t tag_;
  std::deque<Unsent> unsent_;
  bool watching_writable_ = false;
};

}  // namespace kvferry::same_host
