#include "cuda/device_arena.h"

#include <cstring>

namespace kvferry::cuda {
namespace {

// The driver shares whole blocks of this size. An arena of whole blocks shares nothing else.
constexpr uint64_t block_bytes = 2 << 20;

}  // namespace

DeviceArena::DeviceArena(const std::array<uint8_t, uuid_bytes>& device, uint64_t bytes) {
  try {
    device_ = &Device::of(device);
    device_->enter();
    allocate(bytes);
  } catch (const Failure& failure) {
    throw Failure(Code::arena_unavailable, failure.what());
  }
  described_.device = device;
}

void DeviceArena::allocate(uint64_t bytes) {
  const Driver& driver = device_->driver();
  const uint64_t whole = (bytes + block_bytes - 1) / block_bytes * block_bytes;
  Pointer pointer = 0;
  device_->require(driver.allocate(&pointer, whole), "allocating " + std::to_string(whole) + " bytes",
                   Code::arena_unavailable);
  IpcHandle handle = {};
  try {
    // Bytes of an earlier program are no business of an engine.
    device_->require(driver.fill(pointer, 0, whole), "clearing the arena", Code::arena_unavailable);
    device_->require(driver.stream_synchronize(nullptr), "clearing the arena", Code::arena_unavailable);
    device_->require(driver.ipc_export(&handle, pointer), "cuIpcGetMemHandle", Code::arena_unavailable);
  } catch (const Failure&) {
    driver.free(pointer);
    throw;
  }
  memory_ = {Memory::Kind::cuda, pointer, bytes, device_->ordinal()};
  std::memcpy(described_.handle.data(), handle.bytes, handle_bytes);
  described_.bytes = bytes;
}

DeviceArena::~DeviceArena() {
  if (memory_.address == 0) return;
  try {
    device_->enter();
    device_->driver().free(memory_.address);
  } catch (const Failure&) {
    // A lost device has freed it.
  }
}

}  // namespace kvferry::cuda
