// The receiver's side of the same-host path: the receiver copies, so it can refuse.
//
// Every copy is checked against the grant on this thread, in the same step in which it is done; revoking is a step of
// the same thread. So after a revocation nothing lands, without any help from the sender. Senders take turns copy by
// copy.
//
// Belongs to the thread of its transport.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "core/arena.h"
#include "core/poller.h"
#include "same_host/socket.h"
#include "core/segment.h"
#include "core/segment_mapping.h"

namespace kvferry::same_host {


// The same in two processes exactly when they run under the same kernel.
std::string boot_id();

class Receiver {
 public:
  // `listen_tag` is the poller's tag for the listening socket. Throws Failure(provider_unavailable).
  Receiver(Poller& poller, std::shared_ptr<Arena> arena, const std::string& directory, uint64_t listen_tag);
  ~Receiver();

  std::string address() const;
  uint64_t grant(std::string& token);
  void revoke(uint64_t handle);

  void accept(uint64_t tag);
  // False when the tag is none of its peers.
  bool readable(uint64_t tag);
  // Does some of what its peers asked for; answers whether there was any.
  bool copy_some();
  bool has_work() const;

 private:
  struct Token {
    uint64_t words[2];
    auto operator<=>(const Token&) const = default;
  };
  struct Source {
    std::unique_ptr<Segment> segment;
    std::unique_ptr<SegmentMapping> mapping;
  };
  struct Peer {
    std::unique_ptr<Channel> channel;
    uint64_t grant = 0;  // 0: has not presented a valid token
    std::map<uint64_t, Source> segments;
    std::deque<Message> requests;
  };

  void drop(uint64_t tag);
  bool handle(Peer& peer, const Message& message, std::vector<UniqueFd>& descriptors);
  bool greet(Peer& peer, const Message& message);
  void attach(Peer& peer, uint64_t segment, UniqueFd fd);
  CopyStatus copy(Peer& peer, const Message& request);

  Poller& poller_;
  const std::shared_ptr<Arena> arena_;
  ListeningSocket socket_;
  std::map<uint64_t, Token> grants_;
  uint64_t last_handle_ = 0;
  std::map<uint64_t, Peer> peers_;
};

}  // namespace kvferry::same_host
