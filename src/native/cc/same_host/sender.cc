#include "same_host/sender.h"

#include <exception>
#include <utility>

#include "core/failure.h"

namespace kvferry::same_host {
namespace {

// A connection that cannot go on ends alone. Nothing is thrown into the loop.
void guard(Connection& connection, void (Connection::*act)()) {
  try {
    (connection.*act)();
  } catch (const std::exception& error) {
    connection.fail(error.what());
  }
}

}  // namespace

Sender::Sender(napi_env env, Outbox& outbox, WriteLimits limits) : outbox_(outbox), limits_(limits) {
  poller_.emplace();
  watch_.emplace(env, poller_->fd(), *this);
}

void Sender::connect(uint32_t id, const std::string& address, const std::string& token, Clock::time_point deadline) {
  const uint64_t number = ++last_number_;
  connections_.try_emplace(number, *poller_, outbox_, limits_, number, id, address, token, deadline);
  watch_->ask_before_sleep();
}

void Sender::write(uint32_t id, uint64_t connection, std::vector<WriteItem> items) {
  const auto found = connections_.find(connection);
  if (found == connections_.end()) throw Failure(Code::connection_lost, "the connection was closed");
  found->second.write(id, std::move(items));
  watch_->ask_before_sleep();
}

void Sender::stop(uint64_t connection, uint32_t write) {
  const auto found = connections_.find(connection);
  if (found != connections_.end()) found->second.stop(write);
}

void Sender::disconnect(uint64_t connection) { connections_.erase(connection); }

void Sender::forget(const Segment* segment) {
  for (auto& [number, connection] : connections_) connection.forget(segment);
  watch_->ask_before_sleep();
}

void Sender::close() {
  connections_.clear();
  watch_.reset();
  poller_.reset();
}

// JavaScript may close this sender in `deliver`.
void Sender::readable() {
  outbox_.hold();
  contain([this] {
    receive();
    progress();
  });
  outbox_.deliver();
}

void Sender::before_sleep() {
  contain([this] { progress(); });
}

void Sender::due() {
  contain([this] {
    for (auto& [number, connection] : connections_) guard(connection, &Connection::look);
    progress();
  });
}

// What no single connection can answer for ends all of them.
template <typename Act>
void Sender::contain(Act act) {
  try {
    act();
  } catch (const std::exception&) {
    connections_.clear();
  }
}

void Sender::receive() {
  for (const Poller::Ready& ready : poller_->poll_now()) {
    const auto found = connections_.find(ready.tag);
    if (found != connections_.end()) guard(found->second, &Connection::readable);
  }
}

void Sender::progress() {
  Deadline deadline;
  for (auto next = connections_.begin(); next != connections_.end();) {
    const auto current = next++;
    guard(current->second, &Connection::progress);
    if (current->second.stillborn()) {
      connections_.erase(current);
    } else {
      deadline = earliest(deadline, current->second.deadline());
    }
  }
  watch_->ask_at(deadline);
}

}  // namespace kvferry::same_host
