// The memory of a device that a sender attached, from `attach_device` on. A thread of the workshop opens it.
//
// Belongs to the thread of the receiver.
#pragma once

#include <memory>
#include <string>

#include "cuda/opened_memory.h"
#include "same_host/protocol.h"

namespace kvferry::same_host {

struct DeviceSource {
  // Null: it is being opened, or could not be.
  std::shared_ptr<const cuda::OpenedMemory> memory;
  // Why it cannot be read; `copied`: no reason.
  CopyStatus failure = CopyStatus::copied;

  bool opening() const { return !memory && failure == CopyStatus::copied; }
};

}  // namespace kvferry::same_host
