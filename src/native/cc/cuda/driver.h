// The CUDA driver, libcuda, loaded on first use. The addon also works on hosts without it. Its headers are not needed: the
// few declarations of its stable interface are here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace kvferry::cuda {

using Result = int;
constexpr Result success = 0;
constexpr Result not_ready = 600;

using Ordinal = int;
using Context = void*;
using Stream = void*;
using Pointer = unsigned long long;

constexpr size_t handle_bytes = 64;
constexpr size_t uuid_bytes = 16;
struct IpcHandle {
  unsigned char bytes[handle_bytes];
};
struct Uuid {
  unsigned char bytes[uuid_bytes];
};

enum class MemoryType : unsigned int { host = 1, device = 2 };

// CUDA_MEMCPY2D.
struct Copy2D {
  size_t source_x;
  size_t source_y;
  MemoryType source_type;
  const void* source_host;
  Pointer source_device;
  void* source_array;
  size_t source_pitch;
  size_t target_x;
  size_t target_y;
  MemoryType target_type;
  void* target_host;
  Pointer target_device;
  void* target_array;
  size_t target_pitch;
  size_t width;
  size_t height;
};

constexpr unsigned int ipc_lazy_enable_peer_access = 1;
constexpr unsigned int stream_non_blocking = 1;
// CU_DEVICE_ATTRIBUTE_MAX_PITCH
constexpr int attribute_max_pitch = 11;

struct Driver {
  Result (*init)(unsigned int flags);
  Result (*driver_version)(int* version);
  Result (*device_count)(int* count);
  Result (*device_get)(Ordinal* device, int index);
  Result (*device_uuid)(Uuid* uuid, Ordinal device);
  Result (*device_name)(char* name, int length, Ordinal device);
  Result (*device_attribute)(int* value, int attribute, Ordinal device);
  Result (*context_retain)(Context* context, Ordinal device);
  Result (*context_set)(Context context);
  Result (*stream_create)(Stream* stream, unsigned int flags);
  Result (*stream_destroy)(Stream stream);
  Result (*stream_query)(Stream stream);
  Result (*stream_synchronize)(Stream stream);
  Result (*launch_host_function)(Stream stream, void (*function)(void*), void* data);
  Result (*allocate)(Pointer* pointer, size_t bytes);
  Result (*free)(Pointer pointer);
  Result (*fill)(Pointer pointer, unsigned char value, size_t bytes);
  Result (*range_of)(Pointer* base, size_t* bytes, Pointer pointer);
  Result (*copy)(Pointer target, Pointer source, size_t bytes, Stream stream);
  Result (*copy_2d)(const Copy2D* copy, Stream stream);
  Result (*ipc_export)(IpcHandle* handle, Pointer pointer);
  Result (*ipc_open)(Pointer* pointer, IpcHandle handle, unsigned int flags);
  Result (*ipc_close)(Pointer pointer);
  Result (*error_name)(Result result, const char** name);
  Result (*error_string)(Result result, const char** text);

  // Loads libcuda, or what KVFERRY_LIBCUDA names. Blocks for up to a second. Throws Failure(provider_unavailable).
  static const Driver& get();
  // "CUDA_ERROR_OUT_OF_MEMORY: out of memory".
  std::string describe(Result result) const;
};

}  // namespace kvferry::cuda
