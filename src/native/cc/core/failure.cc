#include "core/failure.h"

#include <new>
#include <system_error>

namespace kvferry {

const char* code_name(Code code) {
  switch (code) {
    case Code::ok: return "ok";
    case Code::write_rejected: return "write_rejected";
    case Code::connection_lost: return "connection_lost";
    case Code::connection_failed: return "connection_failed";
    case Code::segment_invalid: return "segment_invalid";
    case Code::segment_not_found: return "segment_not_found";
    case Code::fabric_error: return "fabric_error";
    case Code::provider_unavailable: return "provider_unavailable";
    case Code::arena_unavailable: return "arena_unavailable";
    case Code::invalid_configuration: return "invalid_configuration";
    case Code::closed: return "closed";
    case Code::internal: return "internal";
  }
  return "internal";
}

Code code_of(const std::exception& error) {
  if (const auto* failure = dynamic_cast<const Failure*>(&error)) return failure->code;
  const bool refused = dynamic_cast<const std::system_error*>(&error) || dynamic_cast<const std::bad_alloc*>(&error);
  return refused ? Code::fabric_error : Code::internal;
}

// std::generic_category is used because strerror is not safe on several threads.
std::string describe_errno(const std::string& what, int error) {
  return what + ": " + std::generic_category().message(error);
}

}  // namespace kvferry
