#include "libfabric/transport.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <optional>

#include "core/connections.h"
#include "libfabric/connected/transport.h"
#include "libfabric/connection.h"
#include "libfabric/target.h"
#include "libfabric/tickets.h"

namespace kvferry {
namespace {

// For providers that wake nobody. While a write is in flight the thread spins before it sleeps.
constexpr std::chrono::milliseconds poll_every{1};

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
    arena->require_host(domain().provider());
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
    connections_.make(number, domain(), outbox_, limits_, number, id, to, GrantToken::parse(token), deadline);
  }

  void write(uint32_t id, uint64_t connection, std::vector<WriteItem> items) override {
    connections_.at(connection).write(id, std::move(items));
  }

  void stop(uint64_t connection, uint32_t write) override {
    if (auto* found = connections_.find(connection)) found->stop(write);
  }

  void disconnect(uint32_t id, uint64_t connection) override {
    connections_.close(connection);
    answer(id);
  }

  void forget(const std::shared_ptr<Segment>&) override {}

 protected:
  bool progress() override {
    if (!domain_) return false;
    bool worked = domain_->read_completions(
        [this](uint64_t ticket, int error, const std::string& text) { dispatch(ticket, error, text); });
    connections_.each([&worked](LibfabricConnection& connection) { worked |= connection.progress(); });
    return worked;
  }

  bool busy() const override {
    return connections_.any_busy();
  }

  bool arm() override {
    if (!domain_) return true;
    domain_->discard_events();
    return domain_->may_wait();
  }

  Deadline deadline() const override {
    const bool used = target_ || !connections_.empty();
    Deadline deadline;
    if (domain_ && domain_->polled() && used) deadline = Clock::now() + poll_every;
    return earliest(deadline, connections_.deadline());
  }

  void tear_down() override {
    connections_.close_all();
    target_.reset();
    domain_.reset();
  }

 private:
  LibfabricDomain& domain() {
    if (!domain_) throw Failure(Code::provider_unavailable, "provider " + family_ + " is not open");
    return *domain_;
  }

  // Ignores completions of a connection that is gone.
  void dispatch(uint64_t ticket, int error, const std::string& text) {
    auto* found = connections_.find(Tickets::connection_of(ticket));
    if (found != nullptr) found->completed(ticket, error, text);
  }

  const WriteLimits limits_;
  const std::string family_;
  const std::string bind_address_;
  std::optional<LibfabricDomain> domain_;
  std::optional<LibfabricTarget> target_;
  Connections<LibfabricConnection> connections_;
  uint32_t last_number_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_libfabric_transport(Outbox& outbox, WriteLimits limits, const std::string& family,
                                                    const std::string& bind_address) {
  if (LibfabricDomain::is_connected(family)) {
    return connected::make_transport(outbox, limits, family, bind_address);
  }
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
