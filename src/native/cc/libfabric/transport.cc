#include "libfabric/transport.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <map>
#include <optional>
#include <unordered_map>

#include "libfabric/connection.h"
#include "libfabric/target.h"
#include "core/segment_mapping.h"

namespace kvferry {
namespace {

constexpr unsigned sequence_bits = 32;
constexpr size_t completions_per_read = 64;

// The order matters: the registration is released before the mapping.
struct Source {
  std::unique_ptr<SegmentMapping> mapping;
  Registration registration;
};

class LibfabricTransport final : public Transport {
 public:
  LibfabricTransport(Outbox& outbox, WriteLimits limits, std::string family, std::string bind_address)
      : Transport(outbox), limits_(limits), family_(std::move(family)), bind_address_(std::move(bind_address)) {}
  ~LibfabricTransport() override { shut_down(); }

  void open(uint32_t id) override {
    domain_.emplace(poller_, family_, bind_address_);
    outbox_.put({.id = id, .text = domain_->provider()});
  }

  void listen(uint32_t id, std::shared_ptr<Arena> arena) override {
    target_.emplace(domain(), std::move(arena));
    outbox_.put({.id = id, .text = target_->address()});
  }

  void grant(uint32_t id) override {
    if (!target_) throw Failure(Code::provider_unavailable, "this fabric has no arena to grant");
    std::string token;
    const uint64_t handle = target_->grant(token);
    outbox_.put({.id = id, .handle = handle, .text = std::move(token)});
  }

  void revoke(uint32_t id, uint64_t grant) override {
    if (target_) target_->revoke(grant);
    answer(id);
  }

  void connect(uint32_t id, std::string address, std::string token, Clock::time_point deadline) override {
    const TargetAddress to = TargetAddress::parse(address);
    if (to.provider != domain().provider()) {
      throw Failure(Code::connection_failed,
                    "the receiver uses provider " + to.provider + ", this process uses " + domain().provider());
    }
    const uint32_t number = ++last_number_;
    connections_.emplace(number, std::make_unique<LibfabricConnection>(
                                     domain(), outbox_, limits_,
                                     LibfabricConnection::SourceAccess{
                                         [this](Segment* segment) { return mapped(segment); },
                                         [this](Segment* segment) { sources_.erase(segment); }},
                                     number, id, to, GrantToken::parse(token), deadline));
  }

  void write(uint32_t id, uint64_t connection, std::vector<WriteItem> items) override {
    const auto found = connections_.find(static_cast<uint32_t>(connection));
    if (found == connections_.end()) throw Failure(Code::connection_lost, "the connection was closed");
    found->second->write(id, std::move(items));
  }

  void stop(uint64_t connection, uint32_t write) override {
    const auto found = connections_.find(static_cast<uint32_t>(connection));
    if (found != connections_.end()) found->second->stop(write);
  }

  void disconnect(uint32_t id, uint64_t connection) override {
    connections_.erase(static_cast<uint32_t>(connection));
    answer(id);
  }

  void forget(const std::shared_ptr<Segment>& segment) override { sources_.erase(segment.get()); }

 protected:
  bool progress() override {
    if (!domain_) return false;
    bool worked = read_completions();
    for (auto next = connections_.begin(); next != connections_.end();) {
      const auto current = next++;
      worked |= current->second->progress();
      if (current->second->stillborn()) connections_.erase(current);
    }
    return worked;
  }

  bool busy() const override {
    for (const auto& [number, connection] : connections_) {
      if (connection->busy()) return true;
    }
    return false;
  }

  bool arm() override {
    if (!domain_) return true;
    domain_->discard_events();
    return domain_->may_wait();
  }

  Deadline deadline() const override {
    Deadline deadline;
    for (const auto& [number, connection] : connections_) deadline = earliest(deadline, connection->deadline());
    return deadline;
  }

  void tear_down() override {
    connections_.clear();
    target_.reset();
    sources_.clear();
    domain_.reset();
  }

 private:
  LibfabricDomain& domain() {
    if (!domain_) throw Failure(Code::provider_unavailable, "provider " + family_ + " is not open");
    return *domain_;
  }

  bool read_completions() {
    bool worked = false;
    // Iterates over a copy, because handling a completion may close endpoints with their queues.
    const std::vector<fid_cq*> queues = domain_->queues().all();
    for (fid_cq* queue : queues) {
      if (domain_->queues().contains(queue)) worked |= read_completions(queue);
    }
    return worked;
  }

  bool read_completions(fid_cq* queue) {
    fi_cq_entry entries[completions_per_read];
    const ssize_t count = ::fi_cq_read(queue, entries, completions_per_read);
    if (count > 0) {
      for (ssize_t i = 0; i < count; i++) dispatch(entries[i].op_context, 0, "");
      return true;
    }
    if (count != -FI_EAVAIL) return false;
    fi_cq_err_entry error = {};
    if (::fi_cq_readerr(queue, &error, 0) <= 0) return false;
    dispatch(error.op_context, error.err, domain_->error_text(error.err));
    return true;
  }

  // Ignores completions of a connection that is gone.
  void dispatch(void* context, int error, const std::string& text) {
    const auto ticket = reinterpret_cast<uint64_t>(context);
    const auto found = connections_.find(static_cast<uint32_t>(ticket >> sequence_bits));
    if (found != connections_.end()) found->second->completed(ticket, error, text);
  }

  LibfabricConnection::SourceMemory mapped(Segment* segment) {
    auto found = sources_.find(segment);
    if (found == sources_.end()) {
      Source source = {std::make_unique<SegmentMapping>(*segment), {}};
      if (domain_->needs_local_registration()) {
        source.registration =
            domain_->register_memory(source.mapping->data(), source.mapping->bytes(), FI_WRITE, nullptr);
      }
      found = sources_.emplace(segment, std::move(source)).first;
    }
    fid_mr* region = found->second.registration.handle.get();
    return {found->second.mapping.get(), region == nullptr ? nullptr : ::fi_mr_desc(region)};
  }

  const WriteLimits limits_;
  const std::string family_;
  const std::string bind_address_;
  std::optional<LibfabricDomain> domain_;
  std::optional<LibfabricTarget> target_;
  std::map<uint32_t, std::unique_ptr<LibfabricConnection>> connections_;
  std::unordered_map<Segment*, Source> sources_;
  uint32_t last_number_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_libfabric_transport(Outbox& outbox, WriteLimits limits, const std::string& family,
                                                    const std::string& bind_address) {
  return std::make_unique<LibfabricTransport>(outbox, limits, family, bind_address);
}

}  // namespace kvferry

#else

namespace kvferry {
namespace {

class NoLibfabric final : public Transport {
 public:
  using Transport::Transport;
  ~NoLibfabric() override { shut_down(); }

  void open(uint32_t) override { refuse(); }
  void listen(uint32_t, std::shared_ptr<Arena>) override { refuse(); }
  void grant(uint32_t) override { refuse(); }
  void revoke(uint32_t id, uint64_t) override { answer(id); }
  void connect(uint32_t, std::string, std::string, Clock::time_point) override { refuse(); }
  void write(uint32_t, uint64_t, std::vector<WriteItem>) override { refuse(); }
  void stop(uint64_t, uint32_t) override {}
  void disconnect(uint32_t id, uint64_t) override { answer(id); }
  void forget(const std::shared_ptr<Segment>&) override {}

 protected:
  bool progress() override { return false; }
  bool busy() const override { return false; }
  void tear_down() override {}

 private:
  [[noreturn]] static void refuse() { throw Failure(Code::provider_unavailable, libfabric_status().reason); }
};

}  // namespace

std::unique_ptr<Transport> make_libfabric_transport(Outbox& outbox, WriteLimits, const std::string&,
                                                    const std::string&) {
  return std::make_unique<NoLibfabric>(outbox);
}

}  // namespace kvferry

#endif
