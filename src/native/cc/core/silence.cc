#include "core/silence.h"

#include <utility>

namespace kvferry {

std::string silent_too_long(const std::string& silence, const std::string& suspects) {
  return silence + " for " + std::to_string(silence_max.count()) + " s: check " + suspects;
}

bool Silence::look(bool owed, uint64_t progress) {
  const bool silent = owed && progress == std::exchange(progress_, progress);
  silent_looks_ = silent ? silent_looks_ + 1 : 0;
  next_look_.reset();
  if (owed) expect();
  return silent_looks_ >= silence_max / look_every;
}

}  // namespace kvferry
