// Owners of libfabric objects. Declare them in the order in which they are opened: they close in reverse.
#pragma once

#include "libfabric/library.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <memory>

namespace kvferry {

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

}  // namespace kvferry

#endif
