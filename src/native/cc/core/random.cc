#include "core/random.h"

#include <sys/random.h>

#include <cerrno>
#include <stdexcept>

namespace kvferry {

uint64_t random_nonzero() {
  uint64_t value = 0;
  while (value == 0) {
    if (::getrandom(&value, sizeof value, 0) != sizeof value && errno != EINTR) {
      throw std::runtime_error("getrandom failed");
    }
  }
  return value;
}

}  // namespace kvferry
