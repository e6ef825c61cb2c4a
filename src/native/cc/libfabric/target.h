// The receiver's side of a libfabric provider.
//
// A grant is an endpoint of its own plus a registration of the arena of its own. Revoking closes both, because a
// registration alone is not a fence everywhere: libfabric's TCP providers look the key up when a message begins, so the
// rest of a message whose beginning has arrived would still land. Closing the endpoint ends the reception.
//
// The agent's own endpoint lives as long as the fabric and serves one thing: a page that senders may read, with one
// record a grant. It tells a sender whose connection broke whether it was fenced, in which case nothing can land any
// more, or whether the receiver is gone.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/arena.h"

namespace kvferry {

enum class GrantState : uint64_t {
  none = 0,
  live = 1,
  // Its endpoint and registration are being closed: bytes may still land.
  revoking = 2,
};

// As it lies in the page that senders read, in the byte order of the host: both ends of a fabric have the same.
struct GrantRecord {
  uint64_t agent = 0;  // random number of this receiver's life
  uint64_t arena_bytes = 0;
  uint64_t grant = 0;  // random number of the grant; 0 when the slot is free
  GrantState state = GrantState::none;
};

// The text forms of what a sender is given.
struct TargetAddress {
  std::string provider;
  std::vector<uint8_t> endpoint;
  uint64_t agent = 0;
  RemoteMemory records;

  std::string text() const;
  // Throws Failure(connection_failed).
  static TargetAddress parse(const std::string& text);
};

struct GrantToken {
  std::vector<uint8_t> endpoint;
  RemoteMemory arena;
  RemoteMemory records;
  uint64_t slot = 0;
  uint64_t grant = 0;

  std::string text() const;
  static GrantToken parse(const std::string& text);
  uint64_t record_address(const RemoteMemory& records) const;
};

class LibfabricTarget {
 public:
  // Throws Failure(fabric_error).
  LibfabricTarget(LibfabricDomain& domain, std::shared_ptr<Arena> arena);
  ~LibfabricTarget();

  std::string address() const;
  // Answers the grant's handle. Throws Failure(fabric_error).
  uint64_t grant(std::string& token);
  // Unknown handles are ignored: they were revoked before.
  void revoke(uint64_t handle);

 private:
  struct Grant {
    size_t slot;
    Endpoint endpoint;
    Registration arena;
    Registration records;
  };

  LibfabricDomain& domain_;
  const std::shared_ptr<Arena> arena_;
  const uint64_t agent_;
  std::vector<GrantRecord> records_;
  Endpoint endpoint_;
  Registration registration_;
  std::map<uint64_t, Grant> grants_;
  uint64_t last_handle_ = 0;
};

}  // namespace kvferry

#endif
