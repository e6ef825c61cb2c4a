// The receiver's side of the TCP path. Senders write into the arena only through the sockets of this thread, and this
// thread also revokes. So no byte lands after a revocation, even if the sender does not cooperate.
//
// Connections that have not named a grant have little time, and there are few of them at once: the oldest goes first.
//
// Belongs to the thread of its transport.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "core/arena.h"
#include "core/poller.h"
#include "tcp/encryption.h"
#include "tcp/grants.h"
#include "tcp/options.h"
#include "tcp/peer.h"

namespace kvferry::tcp {

class Receiver {
 public:
  // `listen_tag`: the poller's tag of the listening socket. `last_tag`: the last tag that the transport gave; accepted
  // sockets take the next ones. Throws Failure(provider_unavailable).
  Receiver(Poller& poller, std::shared_ptr<Arena> arena, const Options& options, uint64_t listen_tag,
           uint64_t& last_tag);
  ~Receiver();

  std::string address() const;
  uint64_t grant(std::string& token) { return grants_.add(token); }
  void revoke(uint64_t grant);

  void accept();
  void ready(uint64_t tag, bool readable, bool writable);
  // Receives what is possible now, within limits. Returns whether there was anything.
  bool progress();
  bool busy() const;
  Deadline deadline() const;

 private:
  void admit(UniqueFd fd);
  std::unique_ptr<Wire> make_wire(UniqueFd fd) const;
  // Returns whether there was any.
  bool drop_oldest_stranger();
  void pause_listening();
  void resume_listening();
  void drop_expired();
  void progress_peer(uint64_t tag);
  void progress_peer(uint64_t tag, Peer& peer);
  void judge(uint64_t tag, Peer& peer);
  void drop(uint64_t tag);

  Poller& poller_;
  const std::shared_ptr<Arena> arena_;
  const Options options_;
  const uint64_t listen_tag_;
  uint64_t& last_tag_;
  const UniqueFd socket_;
  const std::unique_ptr<Encryption> encryption_;  // null: in clear
  Deadline listening_again_;

  Grants grants_;
  std::map<uint64_t, std::unique_ptr<Peer>> peers_;
  // Tags of peers that have work left, or may have.
  std::set<uint64_t> unfinished_;
  std::set<uint64_t> strangers_;
  // When a stranger, or a peer whose grant is gone, is dropped.
  std::map<uint64_t, Clock::time_point> expiries_;
  std::map<uint64_t, size_t> streams_;  // of each grant
};

}  // namespace kvferry::tcp
