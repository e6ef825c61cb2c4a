#include "libfabric/offers.h"

#include <map>
#include <set>

#include "core/failure.h"
#include "libfabric/handles.h"

namespace kvferry {

#ifdef KVFERRY_HAS_LIBFABRIC

namespace {

constexpr uint32_t api_version = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION);

InfoHandle ask(const LibfabricLibrary& library, uint64_t flags) {
  fi_info* found = nullptr;
  const int result = library.getinfo(api_version, nullptr, nullptr, flags, nullptr, &found);
  InfoHandle all(found);
  if (result != 0 && result != -FI_ENODATA) {
    throw Failure(Code::fabric_error, std::string("fi_getinfo: ") + library.strerror(-result));
  }
  return all;
}

}  // namespace

std::vector<LibfabricOffer> libfabric_offers() {
  const LibfabricLibrary& library = LibfabricLibrary::get();
  std::map<std::string, std::set<std::string>> domains_of;
  const auto note = [&](const InfoHandle& all, bool usable) {
    for (const fi_info* info = all.get(); info != nullptr; info = info->next) {
      if (info->fabric_attr == nullptr || info->fabric_attr->prov_name == nullptr) continue;
      std::set<std::string>& domains = domains_of[info->fabric_attr->prov_name];
      const char* domain = info->domain_attr == nullptr ? nullptr : info->domain_attr->name;
      if (usable && domain != nullptr) domains.insert(domain);
    }
  };
  note(ask(library, FI_PROV_ATTR_ONLY), false);
  note(ask(library, 0), true);
  std::vector<LibfabricOffer> offers;
  for (const auto& [provider, domains] : domains_of) offers.push_back({provider, {domains.begin(), domains.end()}});
  return offers;
}

#else

std::vector<LibfabricOffer> libfabric_offers() {
  throw Failure(Code::provider_unavailable, libfabric_status().reason);
}

#endif

}  // namespace kvferry
