// The transport of the same-host path: its receiver and its connections.
#pragma once

#include "core/transport.h"

namespace kvferry {

std::unique_ptr<Transport> make_same_host_transport(Outbox& outbox, WriteLimits limits, const std::string& directory);

}  // namespace kvferry
