#include "core/silence.h"

#include <utility>

namespace kvferry {

bool Silence::look(bool owed, uint64_t progress) {
  const bool silent = owed && progress == std::exchange(progress_, progress);
  silent_looks_ = silent ? silent_looks_ + 1 : 0;
  next_look_.reset();
  if (owed) expect();
  return silent_looks_ >= silence_max / look_every;
}

}  // namespace kvferry
