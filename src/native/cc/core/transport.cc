#include "core/transport.h"

#include <exception>
#include <optional>
#include <utility>

#include "core/signals.h"

namespace kvferry {

void Transport::start(std::chrono::microseconds spin_time) {
  thread_ = std::thread([this, spin_time] {
    block_signals();
    run(spin_time);
  });
}

void Transport::post(uint32_t refuse_id, std::function<void()> command) {
  {
    std::lock_guard lock(mutex_);
    if (!closing_) {
      commands_.push_back({refuse_id, std::move(command)});
      poller_.wake();
      return;
    }
  }
  refuse(refuse_id);
}

void Transport::refuse(uint32_t id) {
  if (id != 0) answer_failure(id, Code::closed, "the fabric is closed");
}

void Transport::shut_down() {
  {
    std::lock_guard lock(mutex_);
    if (!std::exchange(closing_, true)) poller_.wake();
  }
  std::call_once(joined_, [this] {
    if (thread_.joinable()) thread_.join();
    // The engine exists until it is collected.
    poller_.close();
  });
}

std::string Transport::failure() const {
  std::lock_guard lock(mutex_);
  return failure_;
}

void Transport::require_working() const {
  const std::string reason = failure();
  if (!reason.empty()) throw Failure(Code::fabric_error, reason);
}

void Transport::open_once(uint32_t id) {
  if (std::exchange(opened_, true)) throw Failure(Code::internal, "this provider was opened before");
  open(id);
}

void Transport::listen_once(uint32_t id, std::shared_ptr<Arena> arena) {
  if (std::exchange(listened_, true)) throw Failure(Code::internal, "this provider has begun to listen before");
  listen(id, std::move(arena));
}

void Transport::run(std::chrono::microseconds spin_time) {
  for (bool served = false; !served;) {
    try {
      serve(spin_time);
      served = true;
    } catch (const std::exception& error) {
      fail(error.what());
    }
  }
  tear_down();
}

// Returns when the transport is shut down and has answered every command.
void Transport::serve(std::chrono::microseconds spin_time) {
  Clock::time_point spin_until{};
  for (;;) {
    const bool worked = run_commands() | (!failed_ && progress());
    bool more_commands = false;
    {
      // Checked after `progress`, which may have consumed the wake-up of a command that arrived since `run_commands`.
      std::lock_guard lock(mutex_);
      more_commands = !commands_.empty();
      if (closing_ && !more_commands) return;
    }
    if (worked || more_commands) {
      spin_until = Clock::now() + spin_time;
      continue;
    }
    if (failed_) {
      poller_.wait(std::nullopt);
      continue;
    }
    if (busy() && Clock::now() < spin_until) continue;
    if (arm()) poller_.wait(deadline());
  }
}

// A failed transport does nothing but answer commands. The first failure is the reason, because others follow from it.
void Transport::fail(const std::string& reason) {
  if (!std::exchange(failed_, true)) {
    std::lock_guard lock(mutex_);
    failure_ = "the thread of this provider has failed: " + reason;
  }
  tear_down();
}

bool Transport::run_commands() {
  std::vector<Command> batch;
  {
    std::lock_guard lock(mutex_);
    batch.swap(commands_);
  }
  for (const Command& command : batch) run_command(command.id, command.run);
  return !batch.empty();
}

void Transport::run_command(uint32_t id, const std::function<void()>& command) {
  try {
    command();
  } catch (const std::exception& error) {
    // A command without an id has nobody to answer.
    if (id != 0) answer_failure(id, code_of(error), error.what());
  }
}

}  // namespace kvferry
