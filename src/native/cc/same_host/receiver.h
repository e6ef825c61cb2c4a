// The receiver's side of the same-host path: the receiver copies, so it can refuse a copy.
//
// This thread checks the grant and copies in one step, and it also revokes. So no byte lands after a revocation, even
// if the sender does not cooperate. Senders take turns copy by copy.
//
// Copies from and to devices are begun by this thread and go on without it. A revocation, and the end of a connection, are
// complete when those under way have ended. When nobody knows their end, the revocation fails, and the connection stays.
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
#include <optional>
#include <string>

#include "core/arena.h"
#include "core/poller.h"
#include "core/segment.h"
#include "core/segment_mapping.h"
#include "core/workshop.h"
#include "same_host/device_copies.h"
#include "same_host/entrance.h"
#include "same_host/socket.h"
#include "same_host/source.h"

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
  // Whether copies under this grant, which was revoked, are under way.
  bool copies_under(uint64_t handle) const { return device_copies_.of_grant(handle) > 0; }
  // Whether nobody knows the end of copies under this grant.
  bool copies_lost_under(uint64_t handle) const { return device_copies_.lost().grants.contains(handle); }

  // A process wants to connect. It gets the tag.
  void accept(uint64_t tag);
  // The peer's socket has a packet, or room for answers.
  void ready(uint64_t tag);
  // Does some of the requested copies, and drops peers that are late. Returns whether there are more copies to do.
  bool progress();
  // When peers are late.
  Deadline deadline() const;
  // Waits for the copies that are under way, and answers them. Afterwards none is.
  void finish();

 private:
  struct Token {
    uint64_t words[2];
  };
  struct Peer {
    std::unique_ptr<Channel> channel;
    uint64_t grant = 0;  // 0: the peer has not presented a valid token
    std::map<uint64_t, Source> segments;
    std::deque<Message> requests;
    decltype(DeviceMemory::handle) handle = {};  // of the `attach_device` that follows
    bool leaving = false;                        // dropped when its copies have ended
  };
  enum class Turn { done, waits, broken };

  void drop(uint64_t tag);
  void drop_late_strangers();
  bool receive(uint64_t tag, Peer& peer);
  bool handle(Peer& peer, const Message& message, std::vector<UniqueFd>& descriptors);
  static bool answers_flow(Peer& peer);
  Turn copy_some(uint64_t tag, Peer& peer);
  bool greet(Peer& peer, const Message& message);
  static void attach(Peer& peer, uint64_t segment, std::vector<UniqueFd>& descriptors);
  void attach_device(Peer& peer, const Message& message);
  // Whether the segment of this request is still being opened.
  static bool waits(const Peer& peer, const Message& request);
  // Fills in `reply`. Returns nothing when the copy is under way.
  std::optional<CopyStatus> copy(uint64_t tag, Peer& peer, const Message& request, Message& reply);
  std::optional<CopyStatus> read(uint64_t tag, const Peer& peer, Source& source, const Message& request,
                                 Message& reply);
  CopyStatus read_file(Source& source, const Message& request, const SourceRange& range, Message& reply);
  void begin(uint64_t tag, const Peer& peer, const Source& source, const Message& request, const SourceRange& range,
             const Message& reply);
  cuda::Device& device_of(const Source& source) const;
  // Returns whether there was anything to answer.
  bool answer_ended();
  // Whether its connection must stay, because bytes of it may still land.
  bool may_land(uint64_t tag) const;
  // Null when the segment cannot be mapped.
  std::shared_ptr<SegmentMapping> mapped(Source& source);
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
  Workshop workshop_;
  DeviceCopies device_copies_;
};

}  // namespace kvferry::same_host
