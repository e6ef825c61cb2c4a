// The copies from and to devices that a receiver has begun. They go on while its thread does other work.
//
// A revocation, and the end of a peer, must wait for them: see `of_grant` and `of_peer`. When a device is lost, nobody knows the
// ends of those under way. Then the revocation fails, and the connection of the peer stays: see `lost`.
//
// Belongs to the thread of its transport.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "core/arena.h"
#include "core/memory.h"
#include "core/poller.h"
#include "core/source_range.h"
#include "cuda/copies.h"
#include "same_host/protocol.h"

namespace kvferry::same_host {

class DeviceCopies {
 public:
  struct Copy {
    uint64_t peer;
    uint64_t grant;
    std::shared_ptr<Arena> arena;  // its target
    // What the peer gets when the copy has ended.
    Message reply;
    // Looks whether the source held until now. Fills in the reply. It also keeps the source.
    std::function<CopyStatus(Message& reply)> check;
  };
  struct Answer {
    uint64_t peer;
    Message reply;
  };

  explicit DeviceCopies(Poller& poller) : poller_(poller) {}

  void begin(cuda::Device& device, const Memory& target, uint64_t target_offset, const Memory& source,
             const SourceRange& range, Copy copy);
  // Behind the last `begin` of a turn.
  void flush();
  // For copies that have ended since the last call, or whose end nobody will know.
  std::vector<Answer> ended();
  // Waits for the copies. Afterwards no copy is under way, and `ended` has the last answers.
  void finish();

  size_t of_peer(uint64_t peer) const { return count(by_peer_, peer); }
  size_t of_grant(uint64_t grant) const { return count(by_grant_, grant); }
  struct Lost {
    std::set<uint64_t> peers;
    std::set<uint64_t> grants;
  };
  // Those with copies whose end nobody knows.
  const Lost& lost() const { return lost_; }
  Deadline deadline() const;

 private:
  using Counts = std::map<uint64_t, size_t>;
  struct InFlight {
    uint64_t number;
    cuda::Result result;
    Copy copy;
  };
  struct Stream {
    Stream(cuda::Device& device, Poller& poller) : copies(device, poller) {}
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    std::deque<InFlight> in_flight;  // in the order of their numbers
    std::vector<Copy> lost;
    cuda::Copies copies;
  };

  static size_t count(const Counts& counts, uint64_t of);
  static void forget(Counts& counts, uint64_t of);
  void end(Stream& stream, std::vector<Answer>& answers);
  void lose(Stream& stream, Copy copy);

  Poller& poller_;
  std::map<cuda::Ordinal, Stream> streams_;
  Counts by_peer_;
  Counts by_grant_;
  Lost lost_;
};

}  // namespace kvferry::same_host
