// The transport of one libfabric provider whose endpoints have connections: cards (verbs), and libfabric's TCP.
#pragma once

#include "core/transport.h"
#include "libfabric/library.h"

#ifdef KVFERRY_HAS_LIBFABRIC

namespace kvferry::connected {

std::unique_ptr<Transport> make_transport(Outbox& outbox, WriteLimits limits, const std::string& family,
                                          const std::string& bind_address);

}  // namespace kvferry::connected

#endif
