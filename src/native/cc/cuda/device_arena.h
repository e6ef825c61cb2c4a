// An arena on a CUDA device. This process allocates it, and engines open it by its IPC handle.
#pragma once

#include <array>
#include <string>

#include "core/arena.h"
#include "core/device_memory.h"
#include "cuda/device.h"

namespace kvferry::cuda {

class DeviceArena final : public Arena {
 public:
  // Blocks. Throws Failure(arena_unavailable).
  DeviceArena(const std::array<uint8_t, uuid_bytes>& device, uint64_t bytes);
  ~DeviceArena() override;

  const Memory& memory() const override { return memory_; }
  std::string fault() const override { return device_->fault(); }
  // What engines need to open it.
  const DeviceMemory& described() const { return described_; }
  Device& device() const { return *device_; }

 private:
  void allocate(uint64_t bytes);

  Device* device_ = nullptr;
  Memory memory_;
  DeviceMemory described_;
};

}  // namespace kvferry::cuda
