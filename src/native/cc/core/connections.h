// The connections of a transport's sender's side, by their numbers.
//
// What a connection throws ends that connection only. One that could not be made has no caller that knows it, and is
// dropped.
//
// Belongs to the thread of that side.
#pragma once

#include <algorithm>
#include <cstdint>
#include <exception>
#include <iterator>
#include <map>
#include <utility>

#include "core/failure.h"
#include "core/poller.h"

namespace kvferry {

template <typename Connection>
class Connections {
 public:
  // Throws what the constructor throws.
  template <typename... Arguments>
  void make(uint64_t number, Arguments&&... arguments) {
    connections_.try_emplace(number, std::forward<Arguments>(arguments)...);
  }

  // Throws Failure(connection_lost) when it is closed.
  Connection& at(uint64_t number) {
    if (Connection* found = find(number)) return *found;
    throw Failure(Code::connection_lost, "the connection was closed");
  }

  // Null when it is closed.
  Connection* find(uint64_t number) {
    const auto found = connections_.find(number);
    return found == connections_.end() ? nullptr : &found->second;
  }

  // The one with the highest number that is not above this one. Null when there is none.
  Connection* find_up_to(uint64_t number) {
    const auto after = connections_.upper_bound(number);
    return after == connections_.begin() ? nullptr : &std::prev(after)->second;
  }

  // Ends every write in flight.
  void close(uint64_t number) { connections_.erase(number); }
  void close_all() { connections_.clear(); }

  template <typename Act>
  void each(Act act) {
    for (auto next = connections_.begin(); next != connections_.end();) {
      const auto current = next++;
      guard(current->second, act);
      if (current->second.stillborn()) connections_.erase(current);
    }
  }

  template <typename Act>
  static void guard(Connection& connection, Act act) {
    try {
      act(connection);
    } catch (const std::exception& error) {
      connection.fail(error.what());
    }
  }

  bool empty() const { return connections_.empty(); }
  bool any_busy() const {
    return std::any_of(connections_.begin(), connections_.end(), [](const auto& entry) { return entry.second.busy(); });
  }
  Deadline deadline() const {
    Deadline deadline;
    for (const auto& [number, connection] : connections_) deadline = earliest(deadline, connection.deadline());
    return deadline;
  }

 private:
  std::map<uint64_t, Connection> connections_;
};

}  // namespace kvferry
