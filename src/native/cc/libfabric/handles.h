// Owners of libfabric objects. Declare them in the order of opening, because they close in reverse order.
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
