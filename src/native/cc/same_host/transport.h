// The transport of the same-host path: its receiver on a thread, and its sender on the JavaScript loop.
#pragma once

#include <node_api.h>

#include <memory>

#include "core/transport.h"
#include "same_host/options.h"

namespace kvferry {

std::unique_ptr<Transport> make_same_host_transport(napi_env env, Outbox& outbox, WriteLimits limits,
                                                    const same_host::Options& options);

}  // namespace kvferry
