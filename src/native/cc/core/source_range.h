// Where the bytes of a write lie in their segment: pieces of equal length at equal distances. Most ranges are one piece.
//
// A value: any thread.
#pragma once

#include <cstdint>

namespace kvferry {

struct SourceRange {
  uint64_t offset = 0;
  // Of all pieces together.
  uint64_t length = 0;
  // Length of a piece: `length` for one piece.
  uint64_t piece_bytes = 0;
  // From the start of a piece to the start of the next one. At least `piece_bytes`.
  uint64_t stride = 0;

  static SourceRange of_one(uint64_t offset, uint64_t length) { return {offset, length, length, length}; }

  bool is_one() const { return piece_bytes == length; }
  uint64_t pieces() const { return length == 0 ? 0 : length / piece_bytes; }
  // Whether every piece lies within the first `bytes` bytes. Never overflows, whatever the numbers are.
  bool within(uint64_t bytes) const;
  // Behind the last piece. Only for a range that is within its segment.
  uint64_t end() const { return length == 0 ? offset : offset + (pieces() - 1) * stride + piece_bytes; }
  // Where byte `index` of the range lies, and how many bytes of its piece follow from there.
  uint64_t at(uint64_t index) const { return offset + index / piece_bytes * stride + index % piece_bytes; }
  uint64_t left_in_piece(uint64_t index) const { return piece_bytes - index % piece_bytes; }
};

}  // namespace kvferry
