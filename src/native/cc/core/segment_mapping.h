// A segment mapped into this process. The same-host receiver copies from the mapping, and devices read its registered
// pages.
//
// Belongs to one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "core/fault_guard.h"
#include "core/mapping.h"
#include "core/memory.h"
#include "core/segment.h"

namespace kvferry {

class SegmentMapping {
 public:
  // Throws Failure(segment_invalid).
  explicit SegmentMapping(const Segment& segment);

  Memory memory() const { return Memory::of_host(mapping_.data(), mapping_.bytes()); }
  size_t bytes() const { return mapping_.bytes(); }
  // Whether a read met a page that the file no longer has.
  bool damaged() const { return guard_.damaged(); }
  FaultGuard::Damage damage() const { return guard_.damage(); }
  // Maps the pages of the range, unless that was done before.
  void prefault(uint64_t offset, uint64_t length);

 private:
  const Mapping mapping_;
  const FaultGuard guard_;
  std::vector<bool> prefaulted_;
};

}  // namespace kvferry
