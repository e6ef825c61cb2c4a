#include "same_host/sender.h"

#include <exception>
#include <utility>

#include "core/failure.h"

namespace kvferry::same_host {

Sender::Sender(napi_env env, Outbox& outbox, WriteLimits limits, Options options)
    : outbox_(outbox), limits_(limits), options_(std::move(options)) {
  poller_.emplace();
  watch_.emplace(env, poller_->fd(), *this);
}

void Sender::connect(uint32_t id, const std::string& address, const std::string& token, Clock::time_point deadline) {
  const uint64_t number = ++last_number_;
  connections_.make(number, *poller_, outbox_, limits_, options_, number, id, address, token, deadline);
  watch_->ask_before_sleep();
}

void Sender::write(uint32_t id, uint64_t connection, std::vector<WriteItem> items) {
  connections_.at(connection).write(id, std::move(items));
  watch_->ask_before_sleep();
}

void Sender::stop(uint64_t connection, uint32_t write) {
  if (auto* found = connections_.find(connection)) found->stop(write);
}

void Sender::disconnect(uint64_t connection) { connections_.close(connection); }

void Sender::forget(const Segment* segment) {
  connections_.each([segment](Connection& connection) { connection.forget(segment); });
  watch_->ask_before_sleep();
}

void Sender::close() {
  connections_.close_all();
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
    connections_.each([](Connection& connection) { connection.look(); });
    progress();
  });
}

// What no single connection can answer for ends all of them.
template <typename Act>
void Sender::contain(Act act) {
  try {
    act();
  } catch (const std::exception&) {
    connections_.close_all();
  }
}

void Sender::receive() {
  for (const Poller::Ready& ready : poller_->poll_now()) {
    Connection* found = connections_.find(ready.tag);
    if (found != nullptr) connections_.guard(*found, [](Connection& connection) { connection.readable(); });
  }
}

void Sender::progress() {
  connections_.each([](Connection& connection) { connection.progress(); });
  watch_->ask_at(connections_.deadline());
}

}  // namespace kvferry::same_host
