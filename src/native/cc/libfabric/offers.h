// What this libfabric could be used for, whatever kvferry makes of it. For `kvferry doctor`.
#pragma once

#include <string>
#include <vector>

namespace kvferry {

struct LibfabricOffer {
  std::string provider;
  std::vector<std::string> domains;  // devices it finds here; none where it cannot be used
};

// Every provider that the library was built with. Throws Failure(provider_unavailable) without libfabric.
std::vector<LibfabricOffer> libfabric_offers();

}  // namespace kvferry
