// The listening socket of a receiver: it admits the processes that may connect.
//
// Belongs to the thread of its transport.
#pragma once

#include <cstdint>
#include <string>

#include "core/poller.h"
#include "core/unique_fd.h"
#include "same_host/options.h"
#include "same_host/socket.h"

namespace kvferry::same_host {

class Entrance {
 public:
  // `tag`: the poller's tag of the socket. Throws Failure(provider_unavailable).
  Entrance(Poller& poller, const Options& options, uint64_t tag);
  ~Entrance();
  Entrance(const Entrance&) = delete;
  Entrance& operator=(const Entrance&) = delete;

  const std::string& path() const { return socket_.path; }
  // The next process that wants to connect. Empty when there is none, or when it may not.
  UniqueFd accept();
  // For a moment without descriptors or memory: a socket that waits would otherwise wake the thread again and again.
  void pause();
  void resume_if_due();
  Deadline paused_until() const { return paused_until_; }

 private:
  Poller& poller_;
  const Options options_;
  const uint64_t tag_;
  ListeningSocket socket_;
  Deadline paused_until_;
};

}  // namespace kvferry::same_host
