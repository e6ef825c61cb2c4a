#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <cstdlib>
#include <cstring>
#include <map>

#include "core/random.h"

namespace kvferry {
namespace {

// The libfabric providers of each family, best first. A layered provider (a name with ';') must be requested by its
// full name. Otherwise libfabric would return `tcp;ofi_rxm` for `tcp`.
const std::map<std::string, std::vector<const char*>> providers_of_family = {
    {"libfabric-tcp", {"tcp", "net", "tcp;ofi_rxm"}},
    {"net", {"net"}},
    {"verbs", {"verbs;ofi_rxm"}},
};

constexpr uint64_t capabilities = FI_MSG | FI_RMA | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
constexpr int memory_modes = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
// Size of a completion queue. Software providers grow it on demand. For devices it is a size that all of them support.
constexpr size_t shared_queue_entries = 4096;
constexpr size_t endpoint_queue_entries = 1024;
constexpr uint32_t api_version = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION);
constexpr unsigned bits_per_byte = 8;
constexpr size_t name_bytes_max = 256;

// libfabric's rxm layer leaves a closed endpoint in the wait list of its completion queue and reads it after it was
// freed. So each endpoint gets its own queue, which is closed with it. Providers without that layer share one queue,
// because reading any queue progresses the whole domain.
bool is_layered(const std::string& provider) { return provider.find(';') != std::string::npos; }

// Before this version, fi_trywait of the tcp provider did nothing. A queue that had once signalled a completion stayed
// readable, so a thread that waited for it never slept again. A wait set clears its signal when it is polled.
constexpr uint32_t trywait_works_since = FI_VERSION(1, 19);

}  // namespace

LibfabricDomain::LibfabricDomain(Poller& poller, const std::string& family, const std::string& bind_address)
    : library_(LibfabricLibrary::get()), queues_(poller) {
  for (const char* name : providers_of_family.at(family)) {
    info_ = find(name, bind_address);
    if (info_) break;
  }
  if (!info_) throw Failure(Code::provider_unavailable, "libfabric " + library_.version_text() + ": " + reason_);
  provider_ = info_->fabric_attr->prov_name;

  const auto require = [&](int result, const char* what) {
    if (result == 0) return;
    throw Failure(Code::provider_unavailable, provider_ + ": " + what + ": " + error_text(-result));
  };
  fid_fabric* fabric = nullptr;
  require(library_.fabric(info_->fabric_attr, &fabric, nullptr), "fi_fabric");
  fabric_.reset(fabric);

  fi_eq_attr event_attributes = {};
  event_attributes.wait_obj = FI_WAIT_NONE;
  fid_eq* events = nullptr;
  require(::fi_eq_open(fabric_.get(), &event_attributes, &events, nullptr), "fi_eq_open");
  events_.reset(events);

  fid_domain* domain = nullptr;
  require(::fi_domain(fabric_.get(), info_.get(), &domain, nullptr), "fi_domain");
  domain_.reset(domain);

  try {
    if (!is_layered(provider_)) {
      if (library_.version() < trywait_works_since) {
        fi_wait_attr wait_attributes = {};
        wait_attributes.wait_obj = FI_WAIT_FD;
        fid_wait* wait_set = nullptr;
        require(::fi_wait_open(fabric_.get(), &wait_attributes, &wait_set), "fi_wait_open");
        wait_set_.reset(wait_set);
      }
      shared_completions_ =
          std::make_unique<CompletionQueue>(queues_, domain_.get(), shared_queue_entries, wait_set_.get());
    }
    // Some providers detect only here that they cannot be used.
    open_endpoint().close();
  } catch (const Failure& failure) {
    throw Failure(Code::provider_unavailable, provider_ + ": " + failure.what());
  }
}

InfoHandle LibfabricDomain::find(const char* name, const std::string& bind_address) {
  InfoHandle hints(library_.dupinfo(nullptr));
  hints->caps = capabilities;
  hints->ep_attr->type = FI_EP_RDM;
  hints->domain_attr->mr_mode = memory_modes;
  hints->domain_attr->threading = FI_THREAD_DOMAIN;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  hints->tx_attr->op_flags = FI_DELIVERY_COMPLETE;
  hints->fabric_attr->prov_name = ::strdup(name);  // freed with the hints, by free()
  fi_info* found = nullptr;
  const int result = library_.getinfo(api_version, bind_address.c_str(), nullptr, FI_SOURCE, hints.get(), &found);
  InfoHandle all(found);
  for (fi_info* info = all.get(); result == 0 && info != nullptr; info = info->next) {
    if (std::strcmp(info->fabric_attr->prov_name, name) == 0) return InfoHandle(library_.dupinfo(info));
  }
  const std::string why = result == 0 ? "no reliable datagram endpoint" : error_text(-result);
  if (!reason_.empty()) reason_ += "; ";
  reason_ += std::string(name) + " at " + bind_address + ": " + why;
  return nullptr;
}

std::string LibfabricDomain::error_text(int error) const { return library_.strerror(error); }

bool LibfabricDomain::may_wait() const {
  if (wait_set_) return ::fi_wait(wait_set_.get(), 0) == -FI_ETIMEDOUT;
  std::vector<fid*> fids;
  for (fid_cq* queue : queues_.all()) fids.push_back(&queue->fid);
  return fids.empty() || ::fi_trywait(fabric_.get(), fids.data(), static_cast<int>(fids.size())) == 0;
}

Endpoint LibfabricDomain::open_endpoint() {
  const auto require = [&](int result, const char* what) {
    if (result == 0) return;
    throw Failure(Code::fabric_error, provider_ + ": " + what + ": " + error_text(-result));
  };
  Endpoint made;
  fi_av_attr address_attributes = {};
  address_attributes.type = FI_AV_UNSPEC;
  fid_av* addresses = nullptr;
  require(::fi_av_open(domain_.get(), &address_attributes, &addresses, nullptr), "fi_av_open");
  made.addresses.reset(addresses);
  fid_cq* completions = shared_completions_ ? shared_completions_->get() : nullptr;
  if (completions == nullptr) {
    made.completions =
        std::make_unique<CompletionQueue>(queues_, domain_.get(), endpoint_queue_entries, nullptr);
    completions = made.completions->get();
  }

  fid_ep* endpoint = nullptr;
  require(::fi_endpoint(domain_.get(), info_.get(), &endpoint, nullptr), "fi_endpoint");
  made.endpoint.reset(endpoint);
  require(::fi_ep_bind(endpoint, &addresses->fid, 0), "fi_ep_bind address vector");
  require(::fi_ep_bind(endpoint, &completions->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind completion queue");
  const int bound = ::fi_ep_bind(endpoint, &events_->fid, 0);
  // Reliable datagram endpoints need no event queue, and some providers refuse to bind one.
  if (bound != 0 && bound != -FI_EINVAL && bound != -FI_ENOSYS && bound != -FI_EOPNOTSUPP) {
    require(bound, "fi_ep_bind event queue");
  }
  require(::fi_enable(endpoint), "fi_enable");
  return made;
}

Registration LibfabricDomain::register_memory(const void* memory, size_t bytes, uint64_t access,
                                              const Endpoint* owner) const {
  const int mode = info_->domain_attr->mr_mode;
  uint64_t requested_key = 0;
  if ((mode & FI_MR_PROV_KEY) == 0) {
    const size_t key_bits = info_->domain_attr->mr_key_size * bits_per_byte;
    requested_key = random_nonzero();
    if (key_bits < sizeof requested_key * bits_per_byte) requested_key &= (uint64_t{1} << key_bits) - 1;
  }
  fid_mr* region = nullptr;
  int result = ::fi_mr_reg(domain_.get(), memory, bytes, access, 0, requested_key, 0, &region, nullptr);
  Registration registration;
  registration.handle.reset(region);
  if (result == 0 && (mode & FI_MR_ENDPOINT) != 0 && owner != nullptr) {
    result = ::fi_mr_bind(region, &owner->endpoint->fid, 0);
    if (result == 0) result = ::fi_mr_enable(region);
  }
  if (result != 0) {
    throw Failure(Code::fabric_error, provider_ + ": registering " + std::to_string(bytes) +
                                          " bytes: " + error_text(-result));
  }
  registration.remote.key = ::fi_mr_key(region);
  registration.remote.base = (mode & FI_MR_VIRT_ADDR) != 0 ? reinterpret_cast<uint64_t>(memory) : 0;
  return registration;
}

void LibfabricDomain::discard_events() const {
  uint32_t event = 0;
  fi_eq_err_entry entry = {};
  for (;;) {
    const ssize_t result = ::fi_eq_read(events_.get(), &event, &entry, sizeof entry, 0);
    if (result == -FI_EAVAIL) {
      ::fi_eq_readerr(events_.get(), &entry, 0);
      continue;
    }
    if (result < 0) return;
  }
}

std::vector<uint8_t> Endpoint::name() const {
  std::vector<uint8_t> name(name_bytes_max);
  size_t bytes = name.size();
  const int result = ::fi_getname(&endpoint->fid, name.data(), &bytes);
  if (result != 0) {
    throw Failure(Code::fabric_error, std::string("fi_getname: ") + LibfabricLibrary::get().strerror(-result));
  }
  name.resize(bytes);
  return name;
}

fi_addr_t Endpoint::insert(const std::vector<uint8_t>& name) const {
  fi_addr_t address = FI_ADDR_UNSPEC;
  // The library reads as many bytes as its address format has, even if it received fewer.
  const bool right_size = name.size() == this->name().size();
  if (!right_size || ::fi_av_insert(addresses.get(), name.data(), 1, &address, 0, nullptr) != 1) {
    throw Failure(Code::connection_failed, "not an address of this provider");
  }
  return address;
}

}  // namespace kvferry

#endif
