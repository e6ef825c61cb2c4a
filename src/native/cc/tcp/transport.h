// The transport of the TCP path: its receiver and its connections.
#pragma once

#include "core/transport.h"
#include "tcp/options.h"

namespace kvferry {

std::unique_ptr<Transport> make_tcp_transport(Outbox& outbox, WriteLimits limits, const tcp::Options& options);

}  // namespace kvferry
