#include "core/segment_mapping.h"

#include <sys/mman.h>

#include <algorithm>
#include <system_error>

#include "core/failure.h"

namespace kvferry {
namespace {

constexpr uint64_t prefault_bytes = 2 << 20;

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
  const uint64_t last = (offset + length - 1) / prefault_bytes;
  for (uint64_t i = offset / prefault_bytes; i <= last; i++) {
    if (prefaulted_[i]) continue;
    prefaulted_[i] = true;
    const uint64_t start = i * prefault_bytes;
    ::madvise(mapping_.data() + start, std::min<uint64_t>(prefault_bytes, bytes() - start), MADV_POPULATE_READ);
  }
}

}  // namespace kvferry
