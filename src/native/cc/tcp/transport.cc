#include "tcp/transport.h"

#include <optional>

#include "core/connections.h"
#include "tcp/connection.h"
#include "tcp/receiver.h"

namespace kvferry {
namespace {

// The poller's tag of the listening socket. The sockets of both directions have the tags after it.
constexpr uint64_t listen_tag = 0;

class TcpTransport final : public Transport {
 public:
  TcpTransport(Outbox& outbox, WriteLimits limits, const tcp::Options& options)
      : Transport(outbox), limits_(limits), options_(options) {}
  ~TcpTransport() override { shut_down(); }

  void open(uint32_t id) override { outbox_.put({.id = id, .text = tcp::wire_name()}); }

  void listen(uint32_t id, std::shared_ptr<Arena> arena) override {
    arena->require_host("tcp");
    receiver_.emplace(poller_, std::move(arena), options_, listen_tag, last_tag_);
    outbox_.put({.id = id, .text = receiver_->address()});
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
    const tcp::Address receiver = tcp::Address::parse(address);
    tcp::Encryption* encryption = encryption_for(receiver);
    const uint64_t number = last_tag_ + 1;
    last_tag_ += tcp::streams_max;
    connections_.make(number, poller_, outbox_, limits_, options_.streams, number, id, receiver, encryption, token,
                      deadline);
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

  // Writes keep their segments, and nothing else does.
  void forget(const std::shared_ptr<Segment>&) override {}

 protected:
  bool progress() override {
    bool worked = false;
    for (const Poller::Ready& ready : poller_.poll_now()) {
      worked = true;
      route(ready);
    }
    connections_.each([&worked](tcp::Connection& connection) { worked |= connection.progress(); });
    if (receiver_) worked |= receiver_->progress();
    return worked;
  }

  bool busy() const override {
    return (receiver_ && receiver_->busy()) || connections_.any_busy();
  }

  Deadline deadline() const override {
    return earliest(receiver_ ? receiver_->deadline() : std::nullopt, connections_.deadline());
  }

  void tear_down() override {
    connections_.close_all();
    receiver_.reset();
  }

 private:
  // Null for a receiver in clear. The first receiver that encrypts loads OpenSSL.
  tcp::Encryption* encryption_for(const tcp::Address& receiver) {
    if (!receiver.encrypted) {
      if (!options_.encrypted) return nullptr;
      throw Failure(Code::connection_failed, "the receiver does not encrypt, and this agent requires it");
    }
    try {
      if (!encryption_) encryption_ = tcp::Encryption::make();
    } catch (const Failure& failure) {
      throw Failure(Code::connection_failed, std::string("the receiver encrypts: ") + failure.what());
    }
    return encryption_.get();
  }

  void route(const Poller::Ready& ready) {
    if (ready.tag == listen_tag) {
      receiver_->accept();
      return;
    }
    tcp::Connection* connection = connections_.find_up_to(ready.tag);
    if (connection != nullptr && connection->has_stream(ready.tag)) {
      connection->ready(ready.tag, ready.readable, ready.writable);
    } else if (receiver_) {
      receiver_->ready(ready.tag, ready.readable, ready.writable);
    }
  }

  const WriteLimits limits_;
  const tcp::Options options_;
  std::unique_ptr<tcp::Encryption> encryption_;  // of the connections
  std::optional<tcp::Receiver> receiver_;
  Connections<tcp::Connection> connections_;
  uint64_t last_tag_ = listen_tag;
};

}  // namespace

std::unique_ptr<Transport> make_tcp_transport(Outbox& outbox, WriteLimits limits, const tcp::Options& options) {
  return std::make_unique<TcpTransport>(outbox, limits, options);
}

}  // namespace kvferry
