#include "core/source_range.h"

namespace kvferry {

bool SourceRange::within(uint64_t bytes) const {
  if (length == 0) return offset <= bytes;
  if (piece_bytes == 0 || length % piece_bytes != 0 || stride < piece_bytes) return false;
  if (offset > bytes || piece_bytes > bytes - offset) return false;
  const uint64_t room = bytes - offset - piece_bytes;
  return pieces() - 1 <= room / stride;
}

}  // namespace kvferry
