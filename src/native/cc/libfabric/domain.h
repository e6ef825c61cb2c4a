// One open libfabric provider, with everything that its endpoints share. Belongs to the thread of its transport.
#pragma once

#include "core/completion_queue.h"
#include "libfabric/handles.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/failure.h"

namespace kvferry {

// An endpoint without connections. It has an address vector of its own, so that closing it affects no other endpoint.
struct Endpoint {
  Handle<fid_av> addresses;
  Handle<fid_ep> endpoint;

  // Throws Failure(connection_failed) when `name` is not an address of this provider.
  fi_addr_t insert(const std::vector<uint8_t>& name) const;
  // Afterwards the provider touches no memory on behalf of this endpoint. The order matters: an object that is bound to
  // an open endpoint cannot be closed.
  void close() {
    endpoint.reset();
    addresses.reset();
  }
  // The same, as a fence. Throws Failure(fabric_error) when the endpoint stays open.
  void close_surely() {
    kvferry::close_surely(endpoint, "the endpoint of a grant");
    addresses.reset();
  }
};

// The address of an endpoint or a listener, as bytes that peers receive. Throws Failure(fabric_error).
std::vector<uint8_t> name_of(fid& object);

// What a peer needs to access registered memory.
struct RemoteMemory {
  uint64_t key = 0;
  uint64_t base = 0;  // the address of its first byte, in the provider's terms
};

struct Registration {
  Handle<fid_mr> handle;
  RemoteMemory remote;
};

// An event of a listener or of an endpoint with a connection.
struct ConnectionEvent {
  enum class Kind { request, connected, ended, refused, other };
  Kind kind = Kind::other;
  fid* object = nullptr;      // the listener of a request, otherwise the endpoint, which may be closed by now
  InfoHandle request;         // of a request
  std::vector<uint8_t> data;  // what the other end sent with it
  std::string text;           // why it was refused
};

class LibfabricDomain {
 public:
  // `family`: kvferry's name of the provider. Throws Failure(provider_unavailable).
  LibfabricDomain(Poller& poller, const std::string& family, const std::string& bind_address);
  // Whether endpoints of this family have connections.
  static bool is_connected(const std::string& family);
  ~LibfabricDomain();
  LibfabricDomain(const LibfabricDomain&) = delete;
  LibfabricDomain& operator=(const LibfabricDomain&) = delete;

  const std::string& provider() const { return provider_; }
  // What to do with an operation that has ended: its ticket, 0 or a libfabric error number, and that error as text.
  using Completed = std::function<void(uint64_t, int, const std::string&)>;
  // Reads every queue. Returns whether there was anything. `completed` may close endpoints.
  bool read_completions(const Completed& completed) const;
  // Whether nothing wakes a thread that waits, so that it must look again and again.
  bool polled() const { return polled_; }
  // Call before waiting. Returns false when something has arrived already.
  bool may_wait() const;

  // An endpoint without connections. Throws Failure(fabric_error).
  Endpoint open_endpoint();

  // The rest of this block is for endpoints with connections. Throws Failure(fabric_error).
  Handle<fid_pep> listen();
  // The queue of an endpoint that writes.
  std::unique_ptr<CompletionQueue> open_queue();
  // An endpoint that connects to `peer`. Any thread. It blocks until the address is resolved.
  Handle<fid_ep> open_active(const std::vector<uint8_t>& peer, const CompletionQueue& queue) const;
  // An endpoint to accept the request with.
  Handle<fid_ep> open_accepted(fi_info* request) const;
  // Refuses the request without an answer.
  void drop(fi_info* request) const;
  std::optional<ConnectionEvent> next_event() const;

  // Any thread, if endpoints have connections. It blocks while the kernel pins the memory. `owner`: the endpoint through
  // which peers access the memory; some providers bind a registration to it. Throws Failure(fabric_error).
  Registration register_memory(const void* memory, size_t bytes, uint64_t access, const Endpoint* owner) const;
  bool needs_local_registration() const { return (info_->domain_attr->mr_mode & FI_MR_LOCAL) != 0; }

  // Empties the event queue. Without connections kvferry uses no event of it, but some providers abort the process
  // without an event queue.
  void discard_events() const;

  std::string error_text(int error) const;

 private:
  InfoHandle find(const char* name, const std::string& bind_address);
  void require(int result, const char* what) const;
  bool read_completions(fid_cq* queue, const Completed& completed) const;
  void open_events();
  void open_queue_for_all();
  std::optional<ConnectionEvent> next_refusal() const;
  void bind_and_enable(fid_ep* endpoint, fid_cq* queue) const;

  const LibfabricLibrary& library_;
  Poller& poller_;
  const bool connected_;
  const bool polled_;
  std::string reason_;
  std::string provider_;
  OpenQueues queues_;
  InfoHandle info_;
  Handle<fid_fabric> fabric_;
  Handle<fid_eq> events_;
  int events_fd_ = -1;  // becomes readable when there is an event
  Handle<fid_domain> domain_;
  Handle<fid_wait> wait_set_;  // of the shared queue, for providers whose fi_trywait does nothing
  // Of every endpoint that has no queue of its own: reading any queue progresses the whole domain.
  std::unique_ptr<CompletionQueue> shared_completions_;
};

}  // namespace kvferry

#endif
