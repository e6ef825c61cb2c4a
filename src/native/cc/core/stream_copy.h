// Copies data that is not read again soon, without loading the target into the cache.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvferry {

// On return every byte is visible to other threads that synchronise with this one.
void stream_copy(uint8_t* target, const uint8_t* source, size_t bytes);

}  // namespace kvferry
