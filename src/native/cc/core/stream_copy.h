// A copy for data that nobody reads again soon: it does not drag the target into the cache first.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvferry {

// On return every byte is visible to other threads that synchronise with this one.
void stream_copy(uint8_t* target, const uint8_t* source, size_t bytes);

}  // namespace kvferry
