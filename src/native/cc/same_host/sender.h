// The sender's side of the same-host path: all connections of a fabric. It runs on the JavaScript loop, so a write needs
// no other thread of this process.
//
// Everything that JavaScript asked for in one turn of the loop goes out just before the loop sleeps: many small writes
// travel in one packet. Answers are read when the loop finds them, and their completions are delivered at once.
//
// Belongs to the JavaScript thread.
#pragma once

#include <node_api.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/connections.h"
#include "core/loop_watch.h"
#include "core/outbox.h"
#include "core/poller.h"
#include "core/write_scheduler.h"
#include "same_host/connection.h"
#include "same_host/options.h"

namespace kvferry::same_host {

class Sender final : public LoopWatch::Owner {
 public:
  // Throws std::system_error.
  Sender(napi_env env, Outbox& outbox, WriteLimits limits, Options options);

  bool closed() const { return !poller_; }

  // Throw Failure(connection_failed | connection_lost).
  void connect(uint32_t id, const std::string& address, const std::string& token, Clock::time_point deadline);
  void write(uint32_t id, uint64_t connection, std::vector<WriteItem> items);
  void stop(uint64_t connection, uint32_t write);
  void disconnect(uint64_t connection);
  void forget(const Segment* segment);

  // Ends every connection and leaves the loop.
  void close();

 private:
  void readable() override;
  void before_sleep() override;
  void due() override;

  template <typename Act>
  void contain(Act act);
  void receive();
  void progress();

  Outbox& outbox_;
  const WriteLimits limits_;
  const Options options_;
  // Both are empty when the sender is closed.
  std::optional<Poller> poller_;
  std::optional<LoopWatch> watch_;
  Connections<Connection> connections_;
  uint64_t last_number_ = 0;
};

}  // namespace kvferry::same_host
