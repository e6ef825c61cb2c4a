// The receiver's side of the same-host path: the receiver copies, so it can refuse a copy.
//
// This thread checks the grant and copies in one step, and it also revokes. So no byte lands after a revocation, even
// if the sender does not cooperate. Senders take turns copy by copy.
//
// Any process that may open the socket can connect, so what a peer can take is limited: the time and the number of peers
// without a valid hello, what one packet asks for, queued requests, unread answers and attached segments.
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
#include "core/segment.h"
#include "core/segment_mapping.h"
#include "same_host/entrance.h"
#include "same_host/socket.h"

namespace kvferry::same_host {

// Equal in two processes exactly if they run under the same kernel.
std::string boot_id();

class Receiver {
 public:
  // `listen_tag`: the poller's tag of the listening socket. Throws Failure(provider_unavailable).
  Receiver(Poller& poller, std::shared_ptr<Arena> arena, const Options& options, uint64_t listen_tag);

  std::string address() const;
  uint64_t grant(std::string& token);
  void revoke(uint64_t handle);

  // A process wants to connect. It gets the tag.
  void accept(uint64_t tag);
  // The peer's socket has a packet, or room for answers.
  void ready(uint64_t tag);
  // Does some of the requested copies, and drops peers that are late. Returns whether there are more copies to do.
  bool progress();
  // When peers are late.
  Deadline deadline() const;

 private:
  struct Token {
    uint64_t words[2];
  };
  struct Source {
    std::unique_ptr<Segment> segment;         // null: its descriptor did not arrive
    std::unique_ptr<SegmentMapping> mapping;  // made for the first copy, and again after damage
    uint64_t last_copy = 0;
  };
  struct Peer {
    std::unique_ptr<Channel> channel;
    uint64_t grant = 0;  // 0: the peer has not presented a valid token
    std::map<uint64_t, Source> segments;
    std::deque<Message> requests;
  };

  void drop(uint64_t tag);
  void drop_late_strangers();
  bool receive(uint64_t tag, Peer& peer);
  bool handle(Peer& peer, const Message& message, std::vector<UniqueFd>& descriptors);
  static bool answers_flow(Peer& peer);
  bool copy_some(Peer& peer);
  bool greet(Peer& peer, const Message& message);
  static void attach(Peer& peer, uint64_t segment, std::vector<UniqueFd>& descriptors);
  // Fills in `reply`.
  void copy(Peer& peer, const Message& request, Message& reply);
  CopyStatus read(Source& source, const Message& request, Message& reply);
  // Null when the segment cannot be mapped.
  SegmentMapping* mapped(Source& source);
  bool unmap_oldest();

  Poller& poller_;
  const std::shared_ptr<Arena> arena_;
  Entrance entrance_;
  std::map<uint64_t, Token> grants_;
  uint64_t last_handle_ = 0;
  std::map<uint64_t, Peer> peers_;
  // Peers without a valid hello, and when they are late. Tags rise, so the first is the oldest.
  std::map<uint64_t, Clock::time_point> strangers_;
  uint64_t copies_ = 0;
};

}  // namespace kvferry::same_host
