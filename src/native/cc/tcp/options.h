// How agents use TCP.
#pragma once

#include <string>

#include "tcp/socket.h"

namespace kvferry::tcp {

constexpr unsigned streams_max = 16;

struct Options {
  std::string bind_address;
  PortRange ports;
  unsigned streams = 1;  // of a connection: 1 to streams_max
  bool encrypted = false;
};

}  // namespace kvferry::tcp
