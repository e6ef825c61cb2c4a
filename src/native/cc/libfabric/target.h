// The receiver's side of a libfabric provider.
//
// Each grant has its own endpoint and its own registration of the arena. Revoking closes both, because closing the
// registration alone is not always a fence: libfabric's TCP providers check the key only when a message begins, so the
// rest of a message that has begun would still land. Closing the endpoint ends the reception.
//
// The agent's own endpoint lives as long as the fabric and serves one page with one record per grant. A sender whose
// connection broke reads its record. The record shows whether the sender was fenced, so that no byte can land any more,
// or whether the receiver is gone.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/arena.h"
#include "core/own_pages.h"

namespace kvferry {

enum class GrantState : uint64_t {
  none = 0,
  live = 1,
  // Endpoint and registration are being closed: bytes may still land.
  revoking = 2,
};

// The layout in the page that senders read. Byte order is that of the host: both ends of a fabric have the same.
struct GrantRecord {
  uint64_t agent = 0;  // random number of this receiver's life
  uint64_t arena_bytes = 0;
  uint64_t grant = 0;  // random number of the grant; 0 when the slot is free
  GrantState state = GrantState::none;
};

// What a sender receives as text: the endpoint address and the grant token.
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
  // Returns the grant's handle. Throws Failure(fabric_error).
  uint64_t grant(std::string& token);
  // Ignores an unknown handle: it was revoked before. Throws Failure(fabric_error) when bytes may still land; then the
  // grant is not live any more, and can be revoked again.
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
  OwnPages record_pages_;
  const std::span<GrantRecord> records_;
  Endpoint endpoint_;
  Registration registration_;
  std::map<uint64_t, Grant> grants_;
  uint64_t last_handle_ = 0;
};

}  // namespace kvferry

#endif
