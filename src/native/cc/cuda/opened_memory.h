// Memory of another process on a CUDA device, opened by its IPC handle.
//
// A process may open a handle only once at a time, so all who have it open share it.
//
// Any thread. Opening and closing block: the driver waits for the device.
#pragma once

#include "core/device_memory.h"
#include "core/memory.h"
#include "cuda/device.h"

namespace kvferry::cuda {

class OpenedMemory {
 public:
  // Throws Failure(provider_unavailable) without the device, and Failure(segment_invalid) when it cannot be opened, or is
  // smaller than described.
  explicit OpenedMemory(const DeviceMemory& described);
  ~OpenedMemory();
  OpenedMemory(const OpenedMemory&) = delete;
  OpenedMemory& operator=(const OpenedMemory&) = delete;

  Device& device() const { return device_; }
  const Memory& memory() const { return memory_; }

 private:
  Device& device_;
  const DeviceMemory described_;
  Memory memory_;
};

}  // namespace kvferry::cuda
