#include "same_host/transport.h"

#include <map>
#include <optional>

#include "same_host/connection.h"
#include "same_host/receiver.h"

namespace kvferry {
namespace {

// The poller's tag of the listening socket. Connections of both directions have the tags after it.
constexpr uint64_t listen_tag = 0;

class SameHostTransport final : public Transport {
 public:
  SameHostTransport(Outbox& outbox, WriteLimits limits, std::string directory)
      : Transport(outbox), limits_(limits), directory_(std::move(directory)) {}
  ~SameHostTransport() override { shut_down(); }

  void open(uint32_t id) override { outbox_.put({.id = id, .text = same_host::boot_id()}); }

  void listen(uint32_t id, std::shared_ptr<Arena> arena) override {
    receiver_.emplace(poller_, std::move(arena), directory_, listen_tag);
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
    const uint64_t number = ++last_tag_;
    connections_.emplace(number, std::make_unique<same_host::Connection>(poller_, outbox_, limits_, number, id,
                                                                         address, token, deadline));
  }

  void write(uint32_t id, uint64_t connection, std::vector<WriteItem> items) override {
    const auto found = connections_.find(connection);
    if (found == connections_.end()) throw Failure(Code::connection_lost, "the connection was closed");
    found->second->write(id, std::move(items));
  }

  void stop(uint64_t connection, uint32_t write) override {
    const auto found = connections_.find(connection);
    if (found != connections_.end()) found->second->stop(write);
  }

  void disconnect(uint32_t id, uint64_t connection) override {
    connections_.erase(connection);
    answer(id);
  }

  void forget(const std::shared_ptr<Segment>& segment) override {
    for (const auto& [number, connection] : connections_) connection->forget(segment.get());
  }

 protected:
  bool progress() override {
    bool worked = false;
    for (const Poller::Ready& ready : poller_.poll_now()) {
      worked = true;
      if (ready.tag == listen_tag) {
        receiver_->accept(++last_tag_);
      } else if (const auto found = connections_.find(ready.tag); found != connections_.end()) {
        found->second->readable();
      } else if (receiver_) {
        receiver_->readable(ready.tag);
      }
    }
    for (auto next = connections_.begin(); next != connections_.end();) {
      const auto current = next++;
      worked |= current->second->progress();
      if (current->second->stillborn()) connections_.erase(current);
    }
    if (receiver_) worked |= receiver_->copy_some();
    return worked;
  }

  bool busy() const override {
    if (receiver_ && receiver_->has_work()) return true;
    for (const auto& [number, connection] : connections_) {
      if (connection->busy()) return true;
    }
    return false;
  }

  Deadline deadline() const override {
    Deadline deadline;
    for (const auto& [number, connection] : connections_) deadline = earliest(deadline, connection->deadline());
    return deadline;
  }

  void tear_down() override {
    connections_.clear();
    receiver_.reset();
  }

 private:
  const WriteLimits limits_;
  const std::string directory_;
  std::optional<same_host::Receiver> receiver_;
  std::map<uint64_t, std::unique_ptr<same_host::Connection>> connections_;
  uint64_t last_tag_ = listen_tag;
};

}  // namespace

std::unique_ptr<Transport> make_same_host_transport(Outbox& outbox, WriteLimits limits, const std::string& directory) {
  return std::make_unique<SameHostTransport>(outbox, limits, directory);
}

}  // namespace kvferry
