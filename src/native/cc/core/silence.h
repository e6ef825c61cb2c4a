// For how long a receiver may owe an answer without any progress. Then the sender gives the connection up.
//
// Silence is counted in looks, one a second. The time in which this process does not run, because it or its machine was
// stopped, is one look: what the receiver sent meanwhile is read before the next one.
//
// Belongs to the thread of its connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "core/poller.h"

namespace kvferry {

// A receiver that lives serves all its senders within a second or two, in turns of a few MiB. And it is a third of the
// usual time limit of a request: the next provider still has time.
constexpr std::chrono::seconds silence_max{10};

// Why a connection is given up, and what to look at.
std::string silent_too_long(const std::string& silence, const std::string& suspects);
constexpr const char* process_and_network = "its process, and the network between";

class Silence {
 public:
  // The receiver owes an answer. Cheap when that is known.
  void expect() {
    if (!next_look_) next_look_ = Clock::now() + look_every;
  }
  bool is_due() const { return next_look_ && Clock::now() >= *next_look_; }
  Deadline next_look() const { return next_look_; }
  // `owed`: an answer is owed. `progress`: it grows with each sign that the receiver works. Returns whether the silence
  // has lasted for `silence_max`.
  bool look(bool owed, uint64_t progress);

 private:
  static constexpr std::chrono::seconds look_every{1};

  Deadline next_look_;
  uint64_t progress_ = 0;
  int silent_looks_ = 0;
};

}  // namespace kvferry
