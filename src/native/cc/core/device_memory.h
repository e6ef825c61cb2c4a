// Memory of a CUDA device that another process allocated: what that process says about it. It may be wrong until a process has
// opened it.
//
// A value: any thread.
#pragma once

#include <array>
#include <cstdint>

namespace kvferry {

struct DeviceMemory {
  // The CUDA IPC handle of the allocation.
  std::array<uint8_t, 64> handle = {};
  // Of the device.
  std::array<uint8_t, 16> device = {};
  // Where the memory begins in the allocation.
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

}  // namespace kvferry
