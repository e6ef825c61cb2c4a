// One open libfabric provider, with everything that its endpoints share. Belongs to the thread of its transport.
#pragma once

#include "core/completion_queue.h"
#include "libfabric/handles.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/failure.h"

namespace kvferry {

// An endpoint with an address vector of its own, so that closing it affects no other endpoint.
struct Endpoint {
  Handle<fid_av> addresses;
  std::unique_ptr<CompletionQueue> completions;  // only if it cannot share the domain's queue
  Handle<fid_ep> endpoint;

  std::vector<uint8_t> name() const;
  // Throws Failure(connection_failed) when `name` is not an address of this provider.
  fi_addr_t insert(const std::vector<uint8_t>& name) const;
  // Afterwards the provider touches no memory on behalf of this endpoint. The order matters: an object that is bound to
  // an open endpoint cannot be closed.
  void close() {
    endpoint.reset();
    completions.reset();
    addresses.reset();
  }
};

// What a peer needs to access registered memory.
struct RemoteMemory {
  uint64_t key = 0;
  uint64_t base = 0;  // the address of its first byte, in the provider's terms
};

struct Registration {
  Handle<fid_mr> handle;
  RemoteMemory remote;
};

class LibfabricDomain {
 public:
  // `family`: kvferry's name of the provider (libfabric-tcp, net or verbs). Throws Failure(provider_unavailable).
  LibfabricDomain(Poller& poller, const std::string& family, const std::string& bind_address);

  const std::string& provider() const { return provider_; }
  const OpenQueues& queues() const { return queues_; }
  // Call before waiting. Returns false when a completion has arrived already.
  bool may_wait() const;

  // Throws Failure(fabric_error).
  Endpoint open_endpoint();
  // `owner`: the endpoint through which peers access the memory. Some providers bind a registration to it.
  Registration register_memory(const void* memory, size_t bytes, uint64_t access, const Endpoint* owner) const;
  bool needs_local_registration() const { return (info_->domain_attr->mr_mode & FI_MR_LOCAL) != 0; }

  // Empties the event queue. kvferry uses no event of it, but some providers abort the process without an event queue.
  void discard_events() const;

  std::string error_text(int error) const;

 private:
  InfoHandle find(const char* name, const std::string& bind_address);

  const LibfabricLibrary& library_;
  std::string reason_;
  std::string provider_;
  OpenQueues queues_;
  InfoHandle info_;
  Handle<fid_fabric> fabric_;
  Handle<fid_eq> events_;
  Handle<fid_domain> domain_;
  Handle<fid_wait> wait_set_;  // of the shared queue, for providers whose fi_trywait does nothing
  std::unique_ptr<CompletionQueue> shared_completions_;
};

}  // namespace kvferry

#endif
