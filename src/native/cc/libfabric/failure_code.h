// What an error of libfabric means for a connection whose grant is still live.
#pragma once

#include "libfabric/library.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <rdma/fi_errno.h>

#include "core/failure.h"

namespace kvferry {

inline Code failure_code_of(int error) {
  switch (error) {
    case FI_EACCES:
    case FI_EPERM:
    case FI_EKEYREJECTED:
      return Code::write_rejected;
    case FI_EINVAL:
    case FI_ENOMEM:
    case FI_EOPNOTSUPP:
    case FI_ETOOSMALL:
    case FI_ETRUNC:
      return Code::fabric_error;
    default:
      return Code::connection_lost;
  }
}

}  // namespace kvferry

#endif
