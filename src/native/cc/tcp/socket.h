// TCP sockets that never block, and the addresses that agents publish for them.
#pragma once

#include <cstdint>
#include <string>

#include "core/unique_fd.h"

namespace kvferry::tcp {

// Both are 0 for any free port.
struct PortRange {
  uint16_t first = 0;
  uint16_t last = 0;
};

struct Address {
  std::string host;  // a number, not a name
  uint16_t port = 0;
  bool encrypted = false;

  std::string text() const;
  // Throws Failure(connection_failed).
  static Address parse(const std::string& text);
};

// The first field of an address: both ends must have the same.
std::string wire_name();

// Listens on the first free port of the range. Throws Failure(provider_unavailable).
UniqueFd listen_at(const std::string& host, PortRange ports);
// Where the socket listens. Throws Failure(provider_unavailable).
Address local_address(const UniqueFd& socket);
// Begins to connect. The socket is writable when that has ended. Throws Failure(connection_failed).
UniqueFd connect_to(const Address& address);
// The error with which connecting ended; 0 when it succeeded.
int connect_error(int fd);
// For a connected socket: sends small messages at once, and keeps an idle path alive. Within one host it also does without
// pacing: congestion control such as BBR sends by timers, which took half of the sender's time there, and there is no
// network to protect.
void tune(int fd);
// Bytes that were sent, and that the other host has not acknowledged.
uint64_t unacknowledged(int fd);

}  // namespace kvferry::tcp
