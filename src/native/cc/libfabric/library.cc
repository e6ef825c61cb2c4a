#include "libfabric/library.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <dlfcn.h>

#include <cstdlib>
#include <mutex>
#include <utility>

#include "core/failure.h"

namespace kvferry {
namespace {

// libfabric and the libraries below it read these variables when they are loaded. So C++ sets them before that, because
// JavaScript would be too late. A variable that the user has set stays.
constexpr std::pair<const char*, const char*> load_environment[] = {
    {"IPATH_NO_BACKTRACE", "1"},            // psm: no signal handlers, because Node has its own
    {"HFI_NO_BACKTRACE", "1"},              // psm2: likewise
    {"FI_MR_CACHE_MONITOR", "disabled"},    // no hooks in malloc and mmap, because arenas are registered explicitly
    {"RDMAV_FORK_SAFE", "1"},               // Node starts children by fork and exec
};

constexpr const char* library_names[] = {"libfabric.so.1", "libfabric.so"};

template <typename Function>
void resolve(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) {
    throw Failure(Code::provider_unavailable, std::string("libfabric has no symbol ") + name);
  }
}

LibfabricLibrary load() {
  void* library = nullptr;
  std::string reason;
  for (const char* name : library_names) {
    library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library != nullptr) break;
    if (reason.empty()) reason = ::dlerror();
  }
  if (library == nullptr) throw Failure(Code::provider_unavailable, "libfabric cannot be loaded: " + reason);
  LibfabricLibrary functions = {};
  resolve(library, "fi_getinfo", functions.getinfo);
  resolve(library, "fi_freeinfo", functions.freeinfo);
  resolve(library, "fi_dupinfo", functions.dupinfo);
  resolve(library, "fi_fabric", functions.fabric);
  resolve(library, "fi_strerror", functions.strerror);
  resolve(library, "fi_version", functions.version);
  if (FI_VERSION_LT(functions.version(), FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION))) {
    throw Failure(Code::provider_unavailable, "libfabric " + functions.version_text() +
                                                  " is older than the headers of the addon: rebuild the addon");
  }
  return functions;
}

}  // namespace

const LibfabricLibrary& LibfabricLibrary::get() {
  // The next call tries a failed load again, because a static whose initialiser throws stays uninitialised.
  static const LibfabricLibrary library = load();
  return library;
}

std::string LibfabricLibrary::version_text() const {
  const uint32_t number = version();
  return std::to_string(FI_MAJOR(number)) + "." + std::to_string(FI_MINOR(number));
}

void set_libfabric_environment() {
  static std::once_flag once;
  std::call_once(once, [] {
    for (const auto& [name, value] : load_environment) ::setenv(name, value, 0);
  });
}

LibfabricStatus libfabric_status() {
  try {
    return {LibfabricLibrary::get().version_text(), ""};
  } catch (const Failure& failure) {
    return {"", failure.what()};
  }
}

}  // namespace kvferry

#else

namespace kvferry {

LibfabricStatus libfabric_status() { return {"", "the addon was built without the libfabric headers"}; }

void set_libfabric_environment() {}

}  // namespace kvferry

#endif
