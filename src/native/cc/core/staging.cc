#include "core/staging.h"

#include <algorithm>

namespace kvferry {
namespace {

// Pieces begin at cache lines.
constexpr size_t alignment = 64;

// How long a connection that writes nothing keeps the pages.
constexpr std::chrono::milliseconds idle_max{2000};

size_t rounded(size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace

Staging::Staging(size_t bytes) : memory_(rounded(bytes)) {}

uint8_t* Staging::take(size_t length, uint64_t ticket) {
  const size_t wanted = rounded(length);
  size_t begin = 0;
  if (!pieces_.empty()) {
    const size_t first = pieces_.front().begin;
    const size_t last = pieces_.back().end;
    const bool wrapped = pieces_.back().begin < first;
    // The end of the last piece never meets the begin of the first: then a full ring would look like an empty one.
    if (!wrapped && bytes() - last >= wanted) {
      begin = last;
    } else if (!wrapped && wanted >= first) {
      return nullptr;
    } else if (wrapped && first - last <= wanted) {
      return nullptr;
    } else if (wrapped) {
      begin = last;
    }
  } else if (wanted > bytes()) {
    return nullptr;
  }
  pieces_.push_back({ticket, begin, begin + wanted, false});
  return data() + begin;
}

void Staging::ended(uint64_t ticket) {
  const auto found =
      std::find_if(pieces_.begin(), pieces_.end(), [ticket](const Piece& piece) { return piece.ticket == ticket; });
  if (found == pieces_.end()) return;
  found->ended = true;
  while (!pieces_.empty() && pieces_.front().ended) pieces_.pop_front();
  if (pieces_.empty()) keep_pages();
}

void Staging::keep_pages() { give_back_at_ = Clock::now() + idle_max; }

void Staging::give_pages_back() {
  give_back_at_.reset();
  memory_.give_back();
}

}  // namespace kvferry
