// Unpredictable random numbers, because remote keys and tokens are secrets.
#pragma once

#include <cstdint>

namespace kvferry {

// Never 0, so that 0 can mean "none".
uint64_t random_nonzero();

}  // namespace kvferry
