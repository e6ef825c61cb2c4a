#include "cuda/device.h"

#include <cstring>
#include <map>
#include <memory>
#include <mutex>

namespace kvferry::cuda {
namespace {

constexpr int name_bytes_max = 256;

// Never destroyed: threads that end with the process may still use a device.
struct Devices {
  std::mutex mutex;
  std::map<Ordinal, std::unique_ptr<Device>> used;
};

Devices& devices() {
  static auto* devices = new Devices;
  return *devices;
}

void require_driver(const Driver& driver, Result result, const std::string& what) {
  if (result != success) throw Failure(Code::provider_unavailable, what + ": " + driver.describe(result));
}

Ordinal find(const Driver& driver, const std::array<uint8_t, uuid_bytes>& uuid) {
  int count = 0;
  require_driver(driver, driver.device_count(&count), "cuDeviceGetCount");
  for (int i = 0; i < count; i++) {
    Ordinal device = 0;
    Uuid found = {};
    require_driver(driver, driver.device_get(&device, i), "cuDeviceGet");
    require_driver(driver, driver.device_uuid(&found, device), "cuDeviceGetUuid");
    if (std::memcmp(found.bytes, uuid.data(), uuid_bytes) == 0) return device;
  }
  throw Failure(Code::provider_unavailable,
                "this process sees " + std::to_string(count) +
                    " CUDA devices, and none has that UUID: compare with nvidia-smi -L and CUDA_VISIBLE_DEVICES");
}

}  // namespace

Device& Device::of(const std::array<uint8_t, uuid_bytes>& uuid) {
  const Driver& driver = Driver::get();
  const Ordinal ordinal = find(driver, uuid);
  std::lock_guard lock(devices().mutex);
  auto& device = devices().used[ordinal];
  if (!device) {
    Context context = nullptr;
    require_driver(driver, driver.context_retain(&context, ordinal), "cuDevicePrimaryCtxRetain");
    char name[name_bytes_max] = {};
    require_driver(driver, driver.device_name(name, name_bytes_max, ordinal), "cuDeviceGetName");
    device = std::make_unique<Device>(ordinal, context, name);
  }
  return *device;
}

Device& Device::at(Ordinal ordinal) {
  std::lock_guard lock(devices().mutex);
  return *devices().used.at(ordinal);
}

std::string Device::any_fault() {
  std::lock_guard lock(devices().mutex);
  for (const auto& [ordinal, device] : devices().used) {
    const std::string fault = device ? device->fault() : "";
    if (!fault.empty()) return fault;
  }
  return "";
}

Device::Device(Ordinal ordinal, Context context, std::string name)
    : ordinal_(ordinal), context_(context), name_(std::move(name)) {
  int pitch = 0;
  if (driver_.device_attribute(&pitch, attribute_max_pitch, ordinal) == success && pitch > 0) {
    pitch_max_ = static_cast<uint64_t>(pitch);
  }
}

void Device::enter() const {
  const std::string lost = fault();
  if (!lost.empty()) throw Failure(Code::fabric_error, lost);
  require(try_enter(), "cuCtxSetCurrent", Code::fabric_error);
}

void Device::require(Result result, const std::string& what, Code code) const {
  if (result != success) throw Failure(code, name_ + ": " + what + ": " + driver_.describe(result));
}

void Device::lose(Result result) {
  Result none = success;
  lost_by_.compare_exchange_strong(none, result);
}

Result Device::lost_by() const { return lost_by_; }

std::string Device::fault() const {
  const Result result = lost_by_;
  if (result == success) return "";
  return "CUDA device " + std::to_string(ordinal_) + " (" + name_ + ") failed: " + driver_.describe(result) +
         ". Its context cannot be used any more: start the agent again";
}

}  // namespace kvferry::cuda
