// What an agent may choose about its same-host sockets.
#pragma once

#include <string>

namespace kvferry::same_host {

struct Options {
  std::string directory;
  // Whether processes of any user may connect. Otherwise only those of the own user and of root.
  bool any_user = false;
};

}  // namespace kvferry::same_host
