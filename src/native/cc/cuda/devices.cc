#include "cuda/devices.h"

#include "core/failure.h"
#include "core/fields.h"
#include "cuda/driver.h"

namespace kvferry::cuda {
namespace {

constexpr int name_bytes_max = 256;

void require(const Driver& driver, Result result) {
  if (result != success) throw Failure(Code::provider_unavailable, driver.describe(result));
}

FoundDevice find_device(const Driver& driver, int index) {
  Ordinal device = 0;
  Uuid uuid = {};
  char name[name_bytes_max] = {};
  require(driver, driver.device_get(&device, index));
  require(driver, driver.device_uuid(&uuid, device));
  require(driver, driver.device_name(name, name_bytes_max, device));
  return {hex_bytes({uuid.bytes, uuid.bytes + uuid_bytes}), name};
}

}  // namespace

FoundDevices find_devices() {
  FoundDevices found;
  try {
    const Driver& driver = Driver::get();
    int count = 0;
    require(driver, driver.device_count(&count));
    for (int i = 0; i < count; i++) found.devices.push_back(find_device(driver, i));
    if (count == 0) found.reason = "the CUDA driver finds no device";
  } catch (const Failure& failure) {
    found.reason = failure.what();
  }
  return found;
}

}  // namespace kvferry::cuda
