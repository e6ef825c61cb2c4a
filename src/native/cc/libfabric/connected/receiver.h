// The receiver's side of a libfabric provider whose endpoints have connections.
//
// The arena is registered once. Its key alone opens nothing: a card takes a write only over a connection to a queue pair
// of this process, and only this class accepts connections. It accepts one when the hello names a live grant and has
// its secret. So the connections of a grant are its fence: `revoke` closes them, which destroys their queue pairs, and
// then no byte under that grant can land. A sender that knows the key and has no grant has no way to use it.
//
// A word of memory beside the arena, the mark, holds the agent's random number. Senders may read it. A read that follows
// writes on a connection is answered after they are in memory, so that a sender knows that its bytes are there.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/connected/names.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <map>
#include <memory>
#include <string>

#include "core/arena.h"
#include "core/own_pages.h"

namespace kvferry::connected {

class Receiver {
 public:
  // `registration`: of the arena. Throws Failure(fabric_error).
  Receiver(LibfabricDomain& domain, std::shared_ptr<Arena> arena, Registration registration);
  ~Receiver();

  std::string address() const;
  // Returns the grant's handle. Throws Failure(fabric_error).
  uint64_t grant(std::string& token);
  // Ignores an unknown handle: it was revoked before. Throws Failure(fabric_error) when a connection stays open; then the
  // grant is not live any more, and can be revoked again.
  void revoke(uint64_t handle);

  // Events of its listener, or of connections that it accepted. Ignores others.
  void handle(const ConnectionEvent& event);

 private:
  struct Grant {
    Secret secret;
    bool revoked = false;
    std::map<fid*, Handle<fid_ep>> connections;
  };

  void answer(fi_info* request, const std::vector<uint8_t>& data);
  Verdict judge(const Hello& hello) const;
  void accept(fi_info* request, const Hello& hello);
  void refuse(fi_info* request, Verdict verdict);
  void ended(fid* connection);

  LibfabricDomain& domain_;
  const std::shared_ptr<Arena> arena_;
  const Registration arena_registration_;
  const uint64_t agent_;
  OwnPages mark_;
  const Registration mark_registration_;
  std::map<uint64_t, Grant> grants_;  // closed before the registrations
  uint64_t last_handle_ = 0;
  Handle<fid_pep> listener_;
};

}  // namespace kvferry::connected

#endif
