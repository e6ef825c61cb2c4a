#include "core/segment_mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <system_error>

#include "core/failure.h"

namespace kvferry {
namespace {

// A page of a sparse file that is read takes memory, so only a little more is mapped than is read.
constexpr uint64_t prefault_bytes = 64 << 10;

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

Mapping map_readable(const Segment& segment) {
  try {
    return Mapping(segment.fd(), segment.bytes(), PROT_READ, 0);
  } catch (const std::system_error& error) {
    throw Failure(Code::segment_invalid, error.what());
  }
}

}  // namespace

SegmentMapping::SegmentMapping(const Segment& segment)
    : mapping_(map_readable(segment)),
      guard_(mapping_.data(), mapping_.bytes(), PROT_READ, segment.page_bytes()),
      prefaulted_((mapping_.bytes() + prefault_bytes - 1) / prefault_bytes) {}

// Only advice: older kernels refuse it, and a shrunk file cannot be populated. Then reading faults the pages in.
void SegmentMapping::prefault(uint64_t offset, uint64_t length) {
  const uint64_t end = (offset + length - 1) / prefault_bytes + 1;
  for (uint64_t first = offset / prefault_bytes; first < end;) {
    if (prefaulted_[first]) {
      first++;
      continue;
    }
    uint64_t after = first;
    for (; after < end && !prefaulted_[after]; after++) prefaulted_[after] = true;
    const uint64_t start = first * prefault_bytes;
    ::madvise(mapping_.data() + start, std::min<uint64_t>((after - first) * prefault_bytes, bytes() - start),
              MADV_POPULATE_READ);
    first = after;
  }
}

}  // namespace kvferry
