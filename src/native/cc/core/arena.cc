#include "core/arena.h"

#include "core/failure.h"

namespace kvferry {

void Arena::require_host(const std::string& provider) const {
  if (memory().on_host()) return;
  throw Failure(Code::provider_unavailable,
                provider + " writes to the memory of the host only, and the arena is on a CUDA device: senders of this "
                           "host reach it by same-host; for others run an agent without arenaDevice");
}

}  // namespace kvferry
