// The end of a call that began with an id.
#pragma once

#include <cstdint>
#include <string>

#include "core/failure.h"

namespace kvferry {

struct Completion {
  uint32_t id = 0;
  Code code = Code::ok;
  std::string message;
  uint64_t bytes = 0;
  bool stopped = false;
  bool drained = true;
  // The grant or the connection that the operation made.
  uint64_t handle = 0;
  // An address, a token, or what both ends of a connection must have in common.
  std::string text;
};

}  // namespace kvferry
