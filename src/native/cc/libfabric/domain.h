// One opened libfabric provider: everything that its endpoints share. Belongs to the thread of its transport.
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

// An endpoint with its own address vector, so that closing it disturbs no other.
struct Endpoint {
  Handle<fid_av> addresses;
  std::unique_ptr<CompletionQueue> completions;  // where it cannot share the domain's
  Handle<fid_ep> endpoint;

  std::vector<uint8_t> name() const;
  // Throws Failure(connection_failed) when it is no address of this provider.
  fi_addr_t insert(const std::vector<uint8_t>& name) const;
  // After it the provider touches no memory on behalf of this endpoint. The order matters: what is bound to an open
  // endpoint cannot be closed.
  void close() {
    endpoint.reset();
    completions.reset();
    addresses.reset();
  }
};

// What a peer must know to reach registered memory.
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
  // `family` is the name kvferry gives to it: tcp, net or verbs. Throws Failure(provider_unavailable).
  LibfabricDomain(Poller& poller, const std::string& family, const std::string& bind_address);

  const std::string& provider() const { return provider_; }
  const OpenQueues& queues() const { return queues_; }
  // Before a wait: false when there is something already.
  bool may_wait() const;

  // Throws Failure(fabric_error).
  Endpoint open_endpoint();
  // `owner` is the endpoint through which peers reach the memory; some providers tie a registration to it.
  Registration register_memory(const void* memory, size_t bytes, uint64_t access, const Endpoint* owner) const;
  bool needs_local_registration() const { return (info_->domain_attr->mr_mode & FI_MR_LOCAL) != 0; }

  // Reads the event queue empty: nothing in it matters to us, but providers that find it missing abort the process.
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
  Handle<fid_wait> wait_set_;  // of the shared queue, where fi_trywait does not do its work
  std::unique_ptr<CompletionQueue> shared_completions_;
};

}  // namespace kvferry

#endif
