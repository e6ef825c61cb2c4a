// Survives a mapped file that shrinks.
//
// Touching a mapped page beyond the end of its file raises SIGBUS, and other processes can shrink the file. While a
// FaultGuard covers a range, its handler maps a page of zeros at the faulting address and marks the guard as damaged.
// The copy continues, and its caller then checks `damaged()` and reports an error. A fault at any other address goes to
// the handler that was installed before.
//
// Any thread may fault, so libraries that touch the mapping for us (libfabric) are covered too.
#pragma once

#include <cstddef>

namespace kvferry {

class FaultGuard {
 public:
  // `protection`: the protection of the mapping. `page_bytes`: the size of its pages; less than a huge page cannot be
  // replaced. Throws Failure(segment_invalid) when `guards_max` ranges are guarded.
  FaultGuard(const void* start, size_t bytes, int protection, size_t page_bytes);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  bool damaged() const;
  // The bytes of the range that had no memory behind them, when it is damaged: from the first page to the last.
  struct Damage {
    size_t offset;
    size_t length;
  };
  Damage damage() const;

  static constexpr size_t guards_max = 16384;

 private:
  size_t slot_;
};

}  // namespace kvferry
