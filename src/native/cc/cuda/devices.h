// The CUDA devices of this host, for `kvferry doctor`.
#pragma once

#include <string>
#include <vector>

namespace kvferry::cuda {

struct FoundDevice {
  std::string uuid;  // in hexadecimal
  std::string name;
};

struct FoundDevices {
  // Why there are none; empty when there are some.
  std::string reason;
  std::vector<FoundDevice> devices;
};

// Loads the driver, but makes no context. Blocks.
FoundDevices find_devices();

}  // namespace kvferry::cuda
