// A stand-in for libcuda with its rules: device memory is a file of KVFERRY_CUDA_STUB, a directory; an IPC handle is the name of
// that file; a stream is a thread. What kvferry asks the driver for, and when, is tested. A device is not.
//
// Files in that directory change what happens, from the next call on:
//   delay-ms     each copy takes so long
//   copy-error   copies fail with this number, and so does every later call: the context is lost
//   open-error   opening a handle fails with this number
//   close-error  closing a handle fails with this number
//   stream-error making a stream fails with this number
//   launch-error no function is put behind copies: the call fails with this number
//   query-errors so many questions about a stream fail, and later ones succeed
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

namespace {

using Result = int;
constexpr Result success = 0, invalid_value = 1, out_of_memory = 2, invalid_context = 201, already_mapped = 208;
constexpr Result not_ready = 600, invalid_handle = 400;
constexpr size_t memory_bytes = 1ull << 30;
constexpr size_t pitch_max = 1 << 20;
const unsigned char uuid[16] = {0x57, 0x0b, 0, 0, 0, 0, 0x40, 0, 0x80, 0, 0, 0, 0, 0, 0, 1};

struct Allocation {
  size_t bytes;
  std::string name;  // of its file; only the process that allocated it removes it
  bool opened;
};

std::mutex mutex;
std::map<unsigned long long, Allocation> allocations;
size_t allocated = 0;
std::atomic<Result> lost{success};
thread_local bool entered = false;

std::string directory() {
  const char* path = std::getenv("KVFERRY_CUDA_STUB");
  return path == nullptr ? "/dev/shm" : path;
}

int setting(const char* name) {
  std::ifstream file(directory() + "/" + name);
  int value = 0;
  file >> value;
  return value;
}

// What every call begins with.
Result fault() {
  if (lost != success) return lost;
  return entered ? success : invalid_context;
}

unsigned long long map(const std::string& name, size_t bytes, int flags) {
  const int fd = ::open((directory() + "/" + name).c_str(), flags | O_CLOEXEC, 0600);
  if (fd < 0) return 0;
  struct stat status = {};
  if (bytes != 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) != 0) return 0;
  ::fstat(fd, &status);
  void* address = ::mmap(nullptr, static_cast<size_t>(status.st_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  ::close(fd);
  if (address == MAP_FAILED) return 0;
  const auto pointer = reinterpret_cast<unsigned long long>(address);
  allocations[pointer] = {static_cast<size_t>(status.st_size), name, bytes == 0};
  return pointer;
}

// Whether the range is memory of a device, or of none of it.
bool is_valid(unsigned long long pointer, size_t bytes) {
  std::lock_guard lock(mutex);
  for (const auto& [base, allocation] : allocations) {
    if (pointer >= base && pointer < base + allocation.bytes) return bytes <= base + allocation.bytes - pointer;
  }
  return true;
}

struct Stream {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::function<void()>> work;
  bool working = false;
  bool ending = false;

  Stream() {
    std::thread([this] { run(); }).detach();
  }
  // As in CUDA, its work goes on.
  void end() {
    std::lock_guard lock(mutex);
    ending = true;
    changed.notify_all();
  }
  void run() {
    work_until_end();
    delete this;
  }
  void work_until_end() {
    std::unique_lock lock(mutex);
    for (;;) {
      changed.wait(lock, [this] { return ending || !work.empty(); });
      if (work.empty()) return;
      const auto task = std::move(work.front());
      work.pop_front();
      working = true;
      lock.unlock();
      if (lost == success) task();
      lock.lock();
      working = false;
      changed.notify_all();
    }
  }
  void add(std::function<void()> task) {
    std::lock_guard lock(mutex);
    work.push_back(std::move(task));
    changed.notify_all();
  }
  bool idle() {
    std::lock_guard lock(mutex);
    return work.empty() && !working;
  }
  void wait() {
    std::unique_lock lock(mutex);
    changed.wait(lock, [this] { return work.empty() && !working; });
  }
};

// Some of the bytes first, so that a write in flight has landed partly.
void copy_slowly(const std::function<void(size_t from, size_t to)>& copy, size_t size) {
  const int delay = setting("delay-ms");
  copy(0, size / 2);
  if (delay > 0) std::this_thread::sleep_for(std::chrono::milliseconds(delay));
  copy(size / 2, size);
}

struct Copy2D {
  size_t source_x, source_y;
  unsigned int source_type;
  const char* source_host;
  unsigned long long source_device;
  void* source_array;
  size_t source_pitch, target_x, target_y;
  unsigned int target_type;
  char* target_host;
  unsigned long long target_device;
  void* target_array;
  size_t target_pitch, width, height;
};

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default"))) Result

EXPORT cuInit(unsigned int) { return success; }
EXPORT cuDriverGetVersion(int* version) {
  *version = 12040;
  return success;
}
EXPORT cuDeviceGetCount(int* count) {
  *count = 1;
  return success;
}
EXPORT cuDeviceGet(int* device, int index) {
  *device = index;
  return index == 0 ? success : invalid_value;
}
EXPORT cuDeviceGetUuid(unsigned char* bytes, int) {
  std::memcpy(bytes, uuid, sizeof uuid);
  return success;
}
EXPORT cuDeviceGetName(char* name, int length, int) {
  std::strncpy(name, "stand-in", static_cast<size_t>(length));
  return success;
}
EXPORT cuDeviceGetAttribute(int* value, int, int) {
  *value = pitch_max;
  return success;
}
EXPORT cuDevicePrimaryCtxRetain(void** context, int) {
  *context = &lost;
  return success;
}
EXPORT cuCtxSetCurrent(void*) {
  if (lost != success) return lost;
  entered = true;
  return success;
}
EXPORT cuStreamCreate(Stream** stream, unsigned int) {
  if (const Result result = fault()) return result;
  if (const int error = setting("stream-error")) return error;
  *stream = new Stream;
  return success;
}
EXPORT cuStreamDestroy_v2(Stream* stream) {
  stream->end();
  return success;
}
EXPORT cuStreamQuery(Stream* stream) {
  static std::atomic<int> failed{0};
  if (const Result result = fault()) return result;
  const int errors = setting("query-errors");
  if (errors == 0) failed = 0;
  if (failed < errors) {
    failed++;
    return out_of_memory;
  }
  return stream->idle() ? success : not_ready;
}
EXPORT cuStreamSynchronize(Stream* stream) {
  if (stream != nullptr) stream->wait();
  return fault();
}
EXPORT cuLaunchHostFunc(Stream* stream, void (*function)(void*), void* data) {
  if (const Result result = fault()) return result;
  if (const int error = setting("launch-error")) return error;
  stream->add([function, data] { function(data); });
  return success;
}
EXPORT cuMemAlloc_v2(unsigned long long* pointer, size_t bytes) {
  static std::atomic<int> last{0};
  if (const Result result = fault()) return result;
  std::lock_guard lock(mutex);
  if (bytes > memory_bytes - allocated) return out_of_memory;
  *pointer = map("device-" + std::to_string(::getpid()) + "-" + std::to_string(++last), bytes, O_RDWR | O_CREAT | O_EXCL);
  if (*pointer == 0) return out_of_memory;
  // What an earlier program left there.
  std::memset(reinterpret_cast<void*>(*pointer), 0xa5, std::min<size_t>(bytes, 1 << 20));
  allocated += bytes;
  return success;
}
EXPORT cuMemFree_v2(unsigned long long pointer) {
  std::lock_guard lock(mutex);
  const auto found = allocations.find(pointer);
  if (found == allocations.end() || found->second.opened) return invalid_value;
  ::munmap(reinterpret_cast<void*>(pointer), found->second.bytes);
  ::unlink((directory() + "/" + found->second.name).c_str());
  allocated -= found->second.bytes;
  allocations.erase(found);
  return success;
}
EXPORT cuMemsetD8_v2(unsigned long long pointer, unsigned char value, size_t bytes) {
  std::memset(reinterpret_cast<void*>(pointer), value, bytes);
  return success;
}
EXPORT cuMemGetAddressRange_v2(unsigned long long* base, size_t* bytes, unsigned long long pointer) {
  std::lock_guard lock(mutex);
  const auto found = allocations.find(pointer);
  if (found == allocations.end()) return invalid_value;
  *base = pointer;
  *bytes = found->second.bytes;
  return success;
}
EXPORT cuMemcpyAsync(unsigned long long target, unsigned long long source, size_t bytes, Stream* stream) {
  if (const Result result = fault()) return result;
  if (!is_valid(target, bytes) || !is_valid(source, bytes)) return invalid_value;
  const auto copy = [target, source, bytes] {
    if (const int error = setting("copy-error")) {
      lost = error;
      return;
    }
    const auto some = [target, source](size_t from, size_t to) {
      std::memmove(reinterpret_cast<char*>(target + from), reinterpret_cast<const char*>(source + from), to - from);
    };
    copy_slowly(some, bytes);
  };
  stream->add(copy);
  return success;
}
EXPORT cuMemcpyHtoD_v2(unsigned long long target, const void* source, size_t bytes) {
  if (!is_valid(target, bytes)) return invalid_value;
  std::memcpy(reinterpret_cast<void*>(target), source, bytes);
  return success;
}
EXPORT cuMemcpyDtoH_v2(void* target, unsigned long long source, size_t bytes) {
  if (!is_valid(source, bytes)) return invalid_value;
  std::memcpy(target, reinterpret_cast<const void*>(source), bytes);
  return success;
}
EXPORT cuMemcpy2DAsync_v2(const Copy2D* given, Stream* stream) {
  if (const Result result = fault()) return result;
  const Copy2D copy = *given;
  if (copy.source_pitch < copy.width || copy.target_pitch < copy.width) return invalid_value;
  if (copy.source_pitch > pitch_max || copy.target_pitch > pitch_max) return invalid_value;
  const char* source = copy.source_type == 1 ? copy.source_host : reinterpret_cast<const char*>(copy.source_device);
  char* target = copy.target_type == 1 ? copy.target_host : reinterpret_cast<char*>(copy.target_device);
  const size_t reach = (copy.height - 1) * copy.source_pitch + copy.width;
  if (!is_valid(reinterpret_cast<unsigned long long>(source), reach)) return invalid_value;
  stream->add([copy, source, target] {
    if (const int error = setting("copy-error")) {
      lost = error;
      return;
    }
    const auto rows = [&copy, source, target](size_t from, size_t to) {
      for (size_t row = from; row < to; row++) {
        std::memmove(target + row * copy.target_pitch, source + row * copy.source_pitch, copy.width);
      }
    };
    copy_slowly(rows, copy.height);
  });
  return success;
}
EXPORT cuIpcGetMemHandle(unsigned char* handle, unsigned long long pointer) {
  std::lock_guard lock(mutex);
  const auto found = allocations.find(pointer);
  if (found == allocations.end() || found->second.opened) return invalid_value;
  std::memset(handle, 0, 64);
  std::memcpy(handle, found->second.name.data(), found->second.name.size());
  return success;
}
struct Handle {
  char name[64];
};
EXPORT cuIpcOpenMemHandle_v2(unsigned long long* pointer, Handle handle, unsigned int) {
  if (const Result result = fault()) return result;
  if (const int error = setting("open-error")) return error;
  const std::string name(handle.name, ::strnlen(handle.name, sizeof handle.name));
  if (name.rfind("device-", 0) != 0 || name.find('/') != std::string::npos) return invalid_handle;
  std::lock_guard lock(mutex);
  // As in CUDA, a process cannot open its own memory, nor a handle that it has open.
  for (const auto& [base, allocation] : allocations) {
    if (allocation.name == name) return allocation.opened ? already_mapped : invalid_context;
  }
  *pointer = map(name, 0, O_RDWR);
  return *pointer == 0 ? invalid_handle : success;
}
EXPORT cuIpcCloseMemHandle(unsigned long long pointer) {
  if (const int error = setting("close-error")) return error;
  std::lock_guard lock(mutex);
  const auto found = allocations.find(pointer);
  if (found == allocations.end() || !found->second.opened) return invalid_value;
  ::munmap(reinterpret_cast<void*>(pointer), found->second.bytes);
  allocations.erase(found);
  return success;
}
EXPORT cuGetErrorName(Result result, const char** name) {
  *name = result == out_of_memory     ? "CUDA_ERROR_OUT_OF_MEMORY"
          : result == 700             ? "CUDA_ERROR_ILLEGAL_ADDRESS"
          : result == invalid_handle  ? "CUDA_ERROR_INVALID_HANDLE"
          : result == invalid_context ? "CUDA_ERROR_INVALID_CONTEXT"
                                      : "CUDA_ERROR_OF_THE_STAND_IN";
  return success;
}
EXPORT cuGetErrorString(Result, const char** text) {
  *text = "as the test wants it";
  return success;
}
