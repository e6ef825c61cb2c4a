// An engine with memory on a CUDA device, for tests: it allocates, writes and reads on request, and opens memory of an agent.
// It is a process of its own, since no process can open a CUDA IPC handle that it made.
//
// Arguments: two named pipes, for requests and answers. Loads what KVFERRY_LIBCUDA names, or libcuda.so.1.
#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <vector>

namespace {

struct Request {
  uint32_t kind;
  uint32_t id;
  uint64_t offset;
  uint64_t length;
};
enum Kind : uint32_t { device = 0, allocate = 1, write_bytes = 2, read_bytes = 3, release = 4, open_handle = 5 };
struct Handle {
  unsigned char bytes[64];
};
struct Memory {
  unsigned long long pointer;
  bool opened;
};

void* library = nullptr;

template <typename... Arguments>
void call(const char* name, Arguments... arguments) {
  const auto function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(library, name));
  const int result = function == nullptr ? -1 : function(arguments...);
  if (result == 0) return;
  std::fprintf(stderr, "cuda-engine: %s: %d\n", name, result);
  std::exit(1);
}

void receive(int fd, void* bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t count = ::read(fd, static_cast<char*>(bytes) + done, length - done);
    if (count <= 0) std::exit(0);  // the test has ended
    done += static_cast<size_t>(count);
  }
}

void send(int fd, const void* bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t count = ::write(fd, static_cast<const char*>(bytes) + done, length - done);
    if (count <= 0) std::exit(1);
    done += static_cast<size_t>(count);
  }
}

}  // namespace

int main(int, char** arguments) {
  const char* named = std::getenv("KVFERRY_LIBCUDA");
  library = ::dlopen(named == nullptr ? "libcuda.so.1" : named, RTLD_NOW);
  if (library == nullptr) return 2;
  const int requests = ::open(arguments[1], O_RDONLY);
  const int answers = ::open(arguments[2], O_WRONLY);
  call("cuInit", 0u);
  int ordinal = 0;
  call("cuDeviceGet", &ordinal, 0);
  void* context = nullptr;
  call("cuDevicePrimaryCtxRetain", &context, ordinal);
  call("cuCtxSetCurrent", context);
  std::map<uint32_t, Memory> memories;
  for (;;) {
    Request request = {};
    receive(requests, &request, sizeof request);
    Memory& memory = memories[request.id];
    Handle handle = {};
    std::vector<unsigned char> bytes(request.kind == write_bytes || request.kind == read_bytes ? request.length : 0);
    switch (request.kind) {
      case device:
        call("cuDeviceGetUuid", handle.bytes, ordinal);
        send(answers, handle.bytes, 16);
        break;
      case allocate:
        call("cuMemAlloc_v2", &memory.pointer, static_cast<size_t>(request.length));
        call("cuIpcGetMemHandle", &handle, memory.pointer);
        send(answers, &handle, sizeof handle);
        break;
      case open_handle:
        receive(requests, &handle, sizeof handle);
        call("cuIpcOpenMemHandle_v2", &memory.pointer, handle, 1u);
        memory.opened = true;
        send(answers, "", 1);
        break;
      case write_bytes:
        receive(requests, bytes.data(), bytes.size());
        call("cuMemcpyHtoD_v2", memory.pointer + request.offset, static_cast<const void*>(bytes.data()), bytes.size());
        call("cuStreamSynchronize", static_cast<void*>(nullptr));
        send(answers, "", 1);
        break;
      case read_bytes:
        call("cuMemcpyDtoH_v2", static_cast<void*>(bytes.data()), memory.pointer + request.offset, bytes.size());
        send(answers, bytes.data(), bytes.size());
        break;
      case release:
        call(memory.opened ? "cuIpcCloseMemHandle" : "cuMemFree_v2", memory.pointer);
        memories.erase(request.id);
        send(answers, "", 1);
        break;
    }
  }
}
