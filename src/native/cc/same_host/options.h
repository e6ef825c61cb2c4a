// What an agent may choose about its same-host sockets.
#pragma once

#include <string>

namespace kvferry::same_host {

struct Options {
  std::string directory;
  // Whether this process works with processes of any user. Otherwise only with those of its own user and of root.
  bool any_user = false;
};

}  // namespace kvferry::same_host
