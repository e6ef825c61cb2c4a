// libfabric, loaded on first use. The addon itself also works on hosts without libfabric.
#pragma once

#if defined(__has_include)
#if __has_include(<rdma/fabric.h>)
#define KVFERRY_HAS_LIBFABRIC 1
#endif
#endif

#ifdef KVFERRY_HAS_LIBFABRIC
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#endif

#include <string>

namespace kvferry {

// For `kvferry doctor`. If libfabric cannot be used, the version is empty and `reason` gives the cause.
struct LibfabricStatus {
  std::string version;
  std::string reason;
};
LibfabricStatus libfabric_status();

// Sets the variables that libfabric reads when it is loaded. Before this addon has threads, because another thread that
// reads a variable meanwhile reads freed memory.
void set_libfabric_environment();

#ifdef KVFERRY_HAS_LIBFABRIC
// The functions that are symbols of the library. All other functions belong to the objects that these make.
struct LibfabricLibrary {
  decltype(&::fi_getinfo) getinfo;
  decltype(&::fi_freeinfo) freeinfo;
  decltype(&::fi_dupinfo) dupinfo;
  decltype(&::fi_fabric) fabric;
  decltype(&::fi_strerror) strerror;
  decltype(&::fi_version) version;

  // Loads the library on the first call. It stays loaded until the process ends. Throws Failure(provider_unavailable).
  static const LibfabricLibrary& get();

  std::string version_text() const;
};
#endif

}  // namespace kvferry
