#include "same_host/source.h"

#include <system_error>

namespace kvferry::same_host {
namespace {

// Runs on a thread of the workshop.
Workshop::Then opened(const std::shared_ptr<DeviceSource>& source, const DeviceMemory& described) {
  std::shared_ptr<const cuda::OpenedMemory> memory;
  CopyStatus failure = CopyStatus::copied;
  try {
    memory = std::make_shared<const cuda::OpenedMemory>(described);
  } catch (const Failure& reason) {
    failure = reason.code == Code::provider_unavailable ? CopyStatus::no_device : CopyStatus::device_memory_unopened;
  }
  return [source, memory, failure] {
    source->memory = memory;
    source->failure = failure;
  };
}

}  // namespace

std::shared_ptr<DeviceSource> DeviceSource::open(const DeviceMemory& described, Workshop& workshop) {
  const auto source = std::make_shared<DeviceSource>();
  try {
    workshop.run([source, described] { return opened(source, described); });
  } catch (const std::system_error&) {
    source->failure = CopyStatus::device_memory_unopened;
  }
  return source;
}

CopyStatus held(const Segment& segment, const SegmentMapping& mapping, const SourceRange& range, Message& reply) {
  if (mapping.damaged()) {
    const FaultGuard::Damage damage = mapping.damage();
    reply.source_offset = damage.offset;
    reply.length = damage.length;
    return segment.intact(range.end()) ? CopyStatus::segment_without_memory : CopyStatus::segment_shrank;
  }
  return segment.intact(range.end()) ? CopyStatus::copied : CopyStatus::segment_shrank;
}

}  // namespace kvferry::same_host
