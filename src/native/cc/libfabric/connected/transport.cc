#include "libfabric/connected/transport.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <optional>
#include <utility>

#include "core/connections.h"
#include "core/workshop.h"
#include "libfabric/connected/connection.h"
#include "libfabric/connected/receiver.h"
#include "libfabric/tickets.h"

namespace kvferry::connected {
namespace {

// Endpoints that are opened at once. An address that nothing answers takes two seconds.
constexpr size_t threads_max = 4;
// A flood of connection requests does not stop writes.
constexpr size_t events_per_turn = 64;

class ConnectedTransport final : public Transport {
 public:
  ConnectedTransport(Outbox& outbox, WriteLimits limits, std::string family, std::string bind_address)
      : Transport(outbox),
        limits_(limits),
        family_(std::move(family)),
        bind_address_(std::move(bind_address)),
        workshop_(poller_, threads_max) {}
  ~ConnectedTransport() override { shut_down(); }

  void open(uint32_t id) override {
    domain_.emplace(poller_, family_, bind_address_);
    outbox_.put({.id = id, .text = domain_->provider()});
  }

  // Answers when the arena is registered, which takes seconds if it is large.
  void listen(uint32_t id, std::shared_ptr<Arena> arena) override {
    arena->require_host(family_);
    const auto registration = std::make_shared<Registration>();
    listen_id_ = id;
    workshop_.run([this, &domain = domain(), arena = std::move(arena), registration] {
      std::string failure;
      try {
        *registration = domain.register_memory(arena->data(), arena->bytes(), FI_REMOTE_WRITE, nullptr);
      } catch (const std::exception& error) {
        failure = error.what();
      }
      return Workshop::Then([this, arena, registration, failure] { registered(arena, *registration, failure); });
    });
  }

  void grant(uint32_t id) override {
    if (!receiver_) throw Failure(Code::provider_unavailable, "this fabric has no arena to grant");
    std::string token;
    const uint64_t handle = receiver_->grant(token);
    outbox_.put({.id = id, .handle = handle, .text = std::move(token)});
  }

  void revoke(uint32_t id, uint64_t grant) override {
    if (receiver_) receiver_->revoke(grant);
    answer(id);
  }

  void connect(uint32_t id, std::string address, std::string token, Clock::time_point deadline) override {
    const Address to = Address::parse(address);
    if (to.provider != domain().provider()) {
      throw Failure(Code::connection_failed,
                    "the receiver uses provider " + to.provider + ", this process uses " + domain().provider());
    }
    const uint32_t number = ++last_number_;
    const Connection::Surroundings surroundings = {domain(), workshop_, outbox_, limits_};
    connections_.make(number, surroundings, number, id, to, Token::parse(token), deadline);
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
    bool worked = workshop_.deliver();
    worked |= handle_events();
    worked |= domain_->read_completions(
        [this](uint64_t ticket, int error, const std::string& text) { completed(ticket, error, text); });
    connections_.each([&worked](Connection& connection) { worked |= connection.progress(); });
    return worked;
  }

  bool busy() const override {
    return connections_.any_busy();
  }

  bool arm() override { return !domain_ || domain_->may_wait(); }

  Deadline deadline() const override { return connections_.deadline(); }

  void tear_down() override {
    connections_.close_all();
    workshop_.finish();
    if (const uint32_t id = std::exchange(listen_id_, 0); id != 0) answer_failure(id, Code::closed, "the fabric is closed");
    receiver_.reset();
    domain_.reset();
  }

 private:
  LibfabricDomain& domain() {
    if (!domain_) throw Failure(Code::provider_unavailable, "provider " + family_ + " is not open");
    return *domain_;
  }

  void registered(const std::shared_ptr<Arena>& arena, Registration& registration, const std::string& failure) {
    const uint32_t id = std::exchange(listen_id_, 0);
    try {
      if (!registration.handle) throw Failure(Code::provider_unavailable, failure);
      receiver_.emplace(*domain_, arena, std::move(registration));
      outbox_.put({.id = id, .text = receiver_->address()});
    } catch (const std::exception& error) {
      receiver_.reset();
      answer_failure(id, code_of(error), error.what());
    }
  }

  bool handle_events() {
    bool worked = false;
    for (size_t i = 0; i < events_per_turn; i++) {
      const auto event = domain_->next_event();
      if (!event) break;
      worked = true;
      if (receiver_) receiver_->handle(*event);
      connections_.each([&event](Connection& connection) { connection.handle(*event); });
    }
    return worked;
  }

  // Ignores completions of a connection that is gone.
  void completed(uint64_t ticket, int error, const std::string& text) {
    auto* found = connections_.find(Tickets::connection_of(ticket));
    if (found != nullptr) found->completed(ticket, error, text);
  }

  const WriteLimits limits_;
  const std::string family_;
  const std::string bind_address_;
  Workshop workshop_;
  std::optional<LibfabricDomain> domain_;
  std::optional<Receiver> receiver_;
  uint32_t listen_id_ = 0;  // 0: the arena is not being registered
  Connections<Connection> connections_;
  uint32_t last_number_ = 0;
};

}  // namespace

std::unique_ptr<Transport> make_transport(Outbox& outbox, WriteLimits limits, const std::string& family,
                                          const std::string& bind_address) {
  return std::make_unique<ConnectedTransport>(outbox, limits, family, bind_address);
}

}  // namespace kvferry::connected

#endif
