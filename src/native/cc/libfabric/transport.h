// The transport of one libfabric provider: its domain, its target, its connections.
#pragma once

#include "libfabric/domain.h"
#include "core/transport.h"

namespace kvferry {

// If the addon was built without libfabric's headers, the transport answers `open` with provider_unavailable.
std::unique_ptr<Transport> make_libfabric_transport(Outbox& outbox, WriteLimits limits, const std::string& family,
                                                    const std::string& bind_address);

}  // namespace kvferry
