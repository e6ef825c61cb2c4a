#include "cuda/driver.h"

#include <dlfcn.h>

#include <cstdlib>

#include "core/failure.h"

namespace kvferry::cuda {
namespace {

template <typename Function>
void resolve(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw Failure(Code::provider_unavailable, std::string("this CUDA driver is too old: it has no ") + name);
  }
}

// The library stays loaded.
Driver load() {
  const char* named = std::getenv("KVFERRY_LIBCUDA");
  const char* path = named == nullptr ? "libcuda.so.1" : named;
  void* library = ::dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw Failure(Code::provider_unavailable, std::string("no CUDA driver: ") + ::dlerror());
  Driver driver = {};
  resolve(library, "cuInit", driver.init);
  resolve(library, "cuDriverGetVersion", driver.driver_version);
  resolve(library, "cuDeviceGetCount", driver.device_count);
  resolve(library, "cuDeviceGet", driver.device_get);
  resolve(library, "cuDeviceGetUuid", driver.device_uuid);
  resolve(library, "cuDeviceGetName", driver.device_name);
  resolve(library, "cuDeviceGetAttribute", driver.device_attribute);
  resolve(library, "cuDevicePrimaryCtxRetain", driver.context_retain);
  resolve(library, "cuCtxSetCurrent", driver.context_set);
  resolve(library, "cuStreamCreate", driver.stream_create);
  resolve(library, "cuStreamDestroy_v2", driver.stream_destroy);
  resolve(library, "cuStreamQuery", driver.stream_query);
  resolve(library, "cuStreamSynchronize", driver.stream_synchronize);
  resolve(library, "cuLaunchHostFunc", driver.launch_host_function);
  resolve(library, "cuMemAlloc_v2", driver.allocate);
  resolve(library, "cuMemFree_v2", driver.free);
  resolve(library, "cuMemsetD8_v2", driver.fill);
  resolve(library, "cuMemGetAddressRange_v2", driver.range_of);
  resolve(library, "cuMemcpyAsync", driver.copy);
  resolve(library, "cuMemcpy2DAsync_v2", driver.copy_2d);
  resolve(library, "cuIpcGetMemHandle", driver.ipc_export);
  resolve(library, "cuIpcOpenMemHandle_v2", driver.ipc_open);
  resolve(library, "cuIpcCloseMemHandle", driver.ipc_close);
  resolve(library, "cuGetErrorName", driver.error_name);
  resolve(library, "cuGetErrorString", driver.error_string);
  const Result result = driver.init(0);
  if (result != success) {
    throw Failure(Code::provider_unavailable, "the CUDA driver does not start: " + driver.describe(result));
  }
  return driver;
}

}  // namespace

const Driver& Driver::get() {
  static const Driver driver = load();
  return driver;
}

std::string Driver::describe(Result result) const {
  const char* name = nullptr;
  const char* text = nullptr;
  if (error_name(result, &name) != success || name == nullptr) return "CUDA error " + std::to_string(result);
  if (error_string(result, &text) != success || text == nullptr) return name;
  return std::string(name) + ": " + text;
}

}  // namespace kvferry::cuda
