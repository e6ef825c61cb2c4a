// What a sender attached: a file, or memory of a device. Copies that are under way keep what they read.
//
// Belongs to the thread of the receiver.
#pragma once

#include <cstdint>
#include <memory>

#include "core/segment.h"
#include "core/segment_mapping.h"
#include "core/source_range.h"
#include "core/workshop.h"
#include "cuda/opened_memory.h"
#include "same_host/protocol.h"

namespace kvferry::same_host {

// The memory of a device, from `attach_device` on.
struct DeviceSource {
  // Null: it is being opened, or could not be.
  std::shared_ptr<const cuda::OpenedMemory> memory;
  // Why it cannot be read; `copied`: no reason.
  CopyStatus failure = CopyStatus::copied;

  // A thread of the workshop opens it, since that blocks.
  static std::shared_ptr<DeviceSource> open(const DeviceMemory& described, Workshop& workshop);
  bool opening() const { return !memory && failure == CopyStatus::copied; }
};

struct Source {
  std::shared_ptr<Segment> segment;
  CopyStatus failure = CopyStatus::no_descriptor;  // why `segment` is null
  std::shared_ptr<SegmentMapping> mapping;  // made for the first copy, and again after damage
  uint64_t last_copy = 0;
  std::shared_ptr<DeviceSource> device;  // null: a file
};

// Whether the file still had the bytes when they were copied. Fills in the reply.
CopyStatus held(const Segment& segment, const SegmentMapping& mapping, const SourceRange& range, Message& reply);

}  // namespace kvferry::same_host
