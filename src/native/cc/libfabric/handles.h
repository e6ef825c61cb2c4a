// Owners of libfabric objects. Declare them in the order of opening, because they close in reverse order.
#pragma once

#include "libfabric/library.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <memory>
#include <string>

#include "core/failure.h"

namespace kvferry {

// Of an object whose end proves nothing. What fences a sender is closed by `close_surely`.
struct FidCloser {
  template <typename Object>
  void operator()(Object* object) const {
    ::fi_close(&object->fid);
  }
};

struct InfoFreer {
  void operator()(fi_info* info) const { LibfabricLibrary::get().freeinfo(info); }
};

template <typename Object>
using Handle = std::unique_ptr<Object, FidCloser>;
using InfoHandle = std::unique_ptr<fi_info, InfoFreer>;

// Closes the object, if there is one. Throws Failure(fabric_error) when libfabric does not close it; the handle keeps it
// then, and the caller may try again.
template <typename Object>
void close_surely(Handle<Object>& handle, const char* what) {
  if (handle == nullptr) return;
  const int result = ::fi_close(&handle->fid);
  if (result != 0) {
    throw Failure(Code::fabric_error,
                  std::string("libfabric did not close ") + what + ": " + LibfabricLibrary::get().strerror(-result));
  }
  (void)handle.release();
}

}  // namespace kvferry

#endif
