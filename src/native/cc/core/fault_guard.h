// Survives a mapped file that shrinks.
//
// Touching a mapped page beyond the end of its file raises SIGBUS, and other processes can shrink the file. While a
// FaultGuard covers a range, such a fault is answered by putting a page of zeros there and marking the guard as
// damaged; the copy goes on, and whoever made it looks at `damaged()` afterwards and reports an error. A fault anywhere
// else goes to the handler that was there before.
//
// Any thread may fault, so that libraries which touch the mapping for us (libfabric) are covered too.
#pragma once

#include <cstddef>

namespace kvferry {

class FaultGuard {
 public:
  // Throws Failure(segment_invalid) when `guards_max` ranges are guarded already.
  // `protection` is that of the mapping.
  FaultGuard(const void* start, size_t bytes, int protection);
  ~FaultGuard();
  FaultGuard(const FaultGuard&) = delete;
  FaultGuard& operator=(const FaultGuard&) = delete;

  bool damaged() const;

  static constexpr size_t guards_max = 4096;

 private:
  size_t slot_;
};

}  // namespace kvferry
