#include "cuda/opened_memory.h"

#include <cstring>
#include <map>
#include <mutex>
#include <string>
#include <utility>

namespace kvferry::cuda {
namespace {

struct Opened {
  Pointer base = 0;
  size_t users = 0;  // 0: it could not be closed
};

// Handles that are open. Never destroyed: memory may be closed while the process ends.
struct Handles {
  using Key = std::pair<Ordinal, std::array<uint8_t, handle_bytes>>;

  std::mutex mutex;
  std::map<Key, Opened> open;
};

Handles& handles() {
  static auto* handles = new Handles;
  return *handles;
}

// With the mutex. A handle that does not close stays among those that are open.
void close_unused(Device& device, std::map<Handles::Key, Opened>::iterator opened) {
  device.require(device.driver().ipc_close(opened->second.base), "cuIpcCloseMemHandle", Code::segment_invalid);
  handles().open.erase(opened);
}

Pointer open_handle(Device& device, const std::array<uint8_t, handle_bytes>& handle) {
  std::lock_guard lock(handles().mutex);
  const auto found = handles().open.find({device.ordinal(), handle});
  if (found != handles().open.end() && found->second.users > 0) {
    found->second.users++;
    return found->second.base;
  }
  if (found != handles().open.end()) close_unused(device, found);
  IpcHandle copy = {};
  std::memcpy(copy.bytes, handle.data(), handle_bytes);
  Pointer base = 0;
  device.require(device.driver().ipc_open(&base, copy, ipc_lazy_enable_peer_access), "cuIpcOpenMemHandle",
                 Code::segment_invalid);
  handles().open.emplace(Handles::Key{device.ordinal(), handle}, Opened{base, 1});
  return base;
}

// A device that is lost has closed its handles.
void close_handle(Device& device, const std::array<uint8_t, handle_bytes>& handle) {
  std::lock_guard lock(handles().mutex);
  const auto found = handles().open.find({device.ordinal(), handle});
  if (--found->second.users > 0) return;
  try {
    device.enter();
    close_unused(device, found);
  } catch (const Failure&) {
    // The next one that opens it closes it first.
  }
}

// From `base` to the end of its allocation.
uint64_t bytes_from(const Device& device, Pointer base) {
  Pointer start = 0;
  size_t bytes = 0;
  device.require(device.driver().range_of(&start, &bytes, base), "cuMemGetAddressRange", Code::segment_invalid);
  return start + bytes - base;
}

}  // namespace

OpenedMemory::OpenedMemory(const DeviceMemory& described)
    : device_(Device::of(described.device)), described_(described) {
  device_.enter();
  const Pointer base = open_handle(device_, described.handle);
  try {
    const uint64_t bytes = bytes_from(device_, base);
    if (described.offset > bytes || described.bytes > bytes - described.offset) {
      throw Failure(Code::segment_invalid, "the allocation has " + std::to_string(bytes) + " bytes, not " +
                                               std::to_string(described.offset) + "+" +
                                               std::to_string(described.bytes));
    }
  } catch (const Failure&) {
    close_handle(device_, described.handle);
    throw;
  }
  memory_ = {Memory::Kind::cuda, base + described.offset, described.bytes, device_.ordinal()};
}

OpenedMemory::~OpenedMemory() { close_handle(device_, described_.handle); }

}  // namespace kvferry::cuda
