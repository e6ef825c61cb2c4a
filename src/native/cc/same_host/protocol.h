// The messages between the two ends of a same-host connection, over a unix socket that keeps message boundaries.
//
// sender:   hello, then for each segment `attach` (with its descriptor) before the first `copy` from it, `detach` after
//           the last. A segment on a device: `handle`, then `attach_device`, without a descriptor
// receiver: welcome, then one `done` for each `copy`; or refused, and it hangs up
//
// A packet holds one or more messages. Both ends run the same build on the same host, so messages are plain memory.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "core/device_memory.h"

namespace kvferry::same_host {

constexpr uint64_t protocol_version = 4;
constexpr size_t messages_per_packet = 64;
// A copy is not interrupted, and a revocation waits for the running copy.
constexpr uint64_t copy_bytes_max = 8 << 20;
// Time from connecting to a valid hello.
constexpr std::chrono::seconds hello_time{5};

enum class Kind : uint32_t { hello = 1, welcome, refused, attach, detach, copy, done, handle, attach_device };

enum class CopyStatus : uint32_t {
  copied = 0,
  rejected,
  segment_unknown,  // no `attach` named it
  segment_shrank,
  segment_without_memory,  // `source_offset` and `length`: the bytes without memory
  segment_unmapped,        // the receiver cannot map it
  no_descriptor,           // its descriptor did not arrive: the receiver has too many open files
  too_many_segments,       // the sender attached more than one sender may
  arena_invalid,
  no_device,               // the receiver has no CUDA driver, or does not see the device
  device_memory_unopened,  // the receiver cannot open the memory of the device
  device_failed,           // nothing lands any more. `source_offset`: the CUDA error
  device_lost,             // as above, but nobody knows whether bytes still land
};

struct Message {
  Kind kind;
  CopyStatus status = CopyStatus::copied;  // done
  uint64_t subject = 0;                    // hello: version; welcome: bytes of the arena; others: segment
  uint64_t ticket = 0;                     // copy, done
  uint64_t source_offset = 0;              // copy, done; attach_device: where the memory begins in its allocation
  uint64_t piece_bytes = 0;                // copy: length of each piece of the source
  uint64_t stride = 0;                     // copy: from the start of a piece to the start of the next one
  uint64_t target_offset = 0;              // copy
  uint64_t length = 0;                     // copy, done; attach_device: bytes
  uint64_t token[2] = {0, 0};              // hello; attach_device: UUID of the device
};

// The message `handle`, which has the size of all messages.
struct HandleMessage {
  Kind kind = Kind::handle;
  uint32_t unused = 0;
  uint64_t subject = 0;
  decltype(DeviceMemory::handle) handle = {};
};
static_assert(sizeof(HandleMessage) == sizeof(Message));

}  // namespace kvferry::same_host
