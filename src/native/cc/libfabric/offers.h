// Every provider of this libfabric, including those that kvferry does not use. For `kvferry doctor`.
#pragma once

#include <string>
#include <vector>

namespace kvferry {

struct LibfabricOffer {
  std::string provider;
  std::vector<std::string> domains;  // its devices on this host; none if it cannot be used
};

// The providers that the library was built with. Throws Failure(provider_unavailable) without libfabric.
std::vector<LibfabricOffer> libfabric_offers();

}  // namespace kvferry
