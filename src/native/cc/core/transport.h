// One provider of data movement, with the thread that owns all of its state.
//
// Rules (each prevents a crash that is hard to find):
// 1. Only a transport's own thread touches its sockets, handles and connections. Other threads `post` a command. A
//    transport may keep its sender's side on the JavaScript thread instead. Then only that thread touches this side.
// 2. Every command with an id is answered exactly once through the outbox, even when the transport closes or fails.
// 3. The thread never blocks except in the poller, and never calls JavaScript.
// 4. `shut_down` joins the thread. Afterwards no byte is moved, and the arena may be unmapped. It may be called twice, at
//    once too, and on any thread but the transport's own. A derived class calls it in its destructor, while its members
//    still exist.
// 5. An exception ends what it is about: a command, a connection, or a peer. One that nothing smaller can answer for ends
//    the transport: its connections and grants end, and its thread goes on to answer commands. It never ends the process.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/arena.h"
#include "core/outbox.h"
#include "core/poller.h"
#include "core/segment.h"
#include "core/write_scheduler.h"

namespace kvferry {

class Transport {
 public:
  explicit Transport(Outbox& outbox) : outbox_(outbox) {}
  virtual ~Transport() = default;
  Transport(const Transport&) = delete;
  Transport& operator=(const Transport&) = delete;

  // Any thread. A transport that no longer takes commands answers `refuse_id` with `closed`.
  void post(uint32_t refuse_id, std::function<void()> command);
  // `spin_time`: how long the thread polls before it sleeps, while a write is in flight.
  void start(std::chrono::microseconds spin_time);
  void shut_down();
  // Any thread. Why the transport has ended; empty while it works.
  std::string failure() const;
  // Any thread. Throws Failure(fabric_error) with that reason.
  void require_working() const;

  // The JavaScript thread. For the commands of the sender's side: `connect` and those after it.
  virtual void post_to_sender(uint32_t refuse_id, std::function<void()> command) {
    post(refuse_id, std::move(command));
  }
  // The JavaScript thread, before `shut_down`. Ends a sender's side that is on this thread.
  virtual void leave_loop() {}

  // Commands run on the transport's thread. A Failure that a command throws answers its id.
  // Each of the first two runs once: what it makes is in use until the end.
  void open_once(uint32_t id);
  void listen_once(uint32_t id, std::shared_ptr<Arena> arena);
  // `open` answers, as text, what both ends must have in common. Addresses begin with it.
  virtual void open(uint32_t id) = 0;
  virtual void listen(uint32_t id, std::shared_ptr<Arena> arena) = 0;
  virtual void grant(uint32_t id) = 0;
  virtual void revoke(uint32_t id, uint64_t grant) = 0;
  virtual void connect(uint32_t id, std::string address, std::string token, Clock::time_point deadline) = 0;
  virtual void write(uint32_t id, uint64_t connection, std::vector<WriteItem> items) = 0;
  virtual void stop(uint64_t connection, uint32_t write) = 0;
  virtual void disconnect(uint32_t id, uint64_t connection) = 0;
  // Called when no write uses the segment any more.
  virtual void forget(const std::shared_ptr<Segment>& segment) = 0;

 protected:
  // Does all work that needs no waiting. Returns whether it must run again before the thread sleeps.
  virtual bool progress() = 0;
  // Whether traffic is expected at any moment, so that spinning pays.
  virtual bool busy() const = 0;
  // Makes the poller's descriptors report everything that arrives from now on. False: something has arrived already.
  virtual bool arm() { return true; }
  // When `progress` must run although no descriptor became ready. For time limits, never for completions.
  virtual Deadline deadline() const { return std::nullopt; }
  // Ends every connection and releases everything. Called when the transport fails, and again when it is shut down.
  virtual void tear_down() = 0;

  void answer(uint32_t id) { outbox_.put({.id = id}); }
  void answer_failure(uint32_t id, Code code, const std::string& message) {
    outbox_.put({.id = id, .code = code, .message = message});
  }

  void refuse(uint32_t id);
  void run_command(uint32_t id, const std::function<void()>& command);

  Outbox& outbox_;
  Poller poller_;

 private:
  struct Command {
    uint32_t id;
    std::function<void()> run;
  };

  void run(std::chrono::microseconds spin_time);
  void serve(std::chrono::microseconds spin_time);
  void fail(const std::string& reason);
  bool run_commands();

  // The transport's thread.
  bool failed_ = false;
  bool opened_ = false;
  bool listened_ = false;
  std::thread thread_;
  std::once_flag joined_;

  mutable std::mutex mutex_;  // guards all members below
  std::vector<Command> commands_;
  bool closing_ = false;
  std::string failure_;
};

}  // namespace kvferry
