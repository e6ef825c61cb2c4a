#include "core/transport.h"

#include <exception>

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
    closing_ = true;
    poller_.wake();
  }
  if (thread_.joinable()) thread_.join();
}

void Transport::run(std::chrono::microseconds spin_time) {
  Clock::time_point spin_until{};
  for (;;) {
    const bool worked = run_commands() | progress();
    bool more_commands = false;
    {
      // Checked after `progress`, which may have consumed the wake-up of a command that arrived since `run_commands`.
      std::lock_guard lock(mutex_);
      more_commands = !commands_.empty();
      if (closing_ && !more_commands) break;
    }
    if (worked || more_commands) {
      spin_until = Clock::now() + spin_time;
      continue;
    }
    if (busy() && Clock::now() < spin_until) continue;
    if (arm()) poller_.wait(deadline());
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
  } catch (const Failure& failure) {
    answer_failure(id, failure.code, failure.what());
  } catch (const std::exception& error) {
    answer_failure(id, Code::internal, error.what());
  }
}

}  // namespace kvferry
