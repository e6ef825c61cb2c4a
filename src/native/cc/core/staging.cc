#include "core/staging.h"

namespace kvferry {

uint8_t* Staging::take() {
  if (free_.empty()) {
    // Not initialised, so that the kernel allocates only pages that are used.
    buffers_.emplace_back(new uint8_t[buffer_bytes_]);
    return buffers_.back().get();
  }
  uint8_t* buffer = free_.back();
  free_.pop_back();
  return buffer;
}

void Staging::give_back(uint8_t* buffer) { free_.push_back(buffer); }

void Staging::ended(uint64_t ticket) {
  const auto found = lent_.find(ticket);
  if (found == lent_.end()) return;
  free_.push_back(found->second);
  lent_.erase(found);
}

}  // namespace kvferry
