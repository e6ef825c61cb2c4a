#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

#include "core/random.h"

namespace kvferry {
namespace {

// What kvferry asks libfabric for.
struct Family {
  std::vector<const char*> providers;  // best first
  // Endpoints that have connections (FI_EP_MSG) or have none (FI_EP_RDM).
  fi_ep_type type;
  // Whether the bind address, which is an IP address, chooses the device.
  bool takes_address;
  // Whether its completion queues have no descriptor to wait for.
  bool polled;
};

const std::map<std::string, Family> families = {
    {"libfabric-tcp", {{"tcp"}, FI_EP_MSG, true, false}},
    {"net", {{"net"}, FI_EP_RDM, true, false}},
    {"verbs", {{"verbs"}, FI_EP_MSG, true, false}},
    {"efa", {{"efa"}, FI_EP_RDM, false, true}},
};

constexpr uint64_t capabilities = FI_MSG | FI_RMA | FI_READ | FI_WRITE | FI_REMOTE_READ | FI_REMOTE_WRITE;
constexpr int memory_modes = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY | FI_MR_ENDPOINT;
// Size of a completion queue. Software providers grow it on demand.
constexpr size_t shared_queue_entries = 4096;
// Of a queue that no operation reports to: peers write to the endpoints that it serves, and these write nothing.
constexpr size_t silent_queue_entries = 16;
// The operations that an endpoint with a connection has at once: the slices and reads of one connection. A small device
// has room for them.
constexpr size_t operations_max = 192;
// No endpoint receives messages.
constexpr size_t receives_max = 1;
constexpr size_t pending_events_max = 1024;
constexpr size_t completions_per_read = 64;
// IBV_WC_REM_ACCESS_ERR: the receiver's card refused the key or the address. libfabric makes EIO of every error of a card.
constexpr int verbs_remote_access_error = 10;
constexpr uint32_t api_version = FI_VERSION(FI_MAJOR_VERSION, FI_MINOR_VERSION);
constexpr unsigned bits_per_byte = 8;
constexpr size_t name_bytes_max = 256;
// More than two agents exchange. What is longer was sent by another program, and is cut off.
constexpr size_t event_data_max = 256;

// Before this version, fi_trywait of the net provider did nothing. A queue that had once signalled a completion stayed
// readable, so a thread that waited for it never slept again. A wait set clears its signal when it is polled.
constexpr uint32_t trywait_works_since = FI_VERSION(1, 19);

}  // namespace

bool LibfabricDomain::is_connected(const std::string& family) { return families.at(family).type == FI_EP_MSG; }

LibfabricDomain::LibfabricDomain(Poller& poller, const std::string& family, const std::string& bind_address)
    : library_(LibfabricLibrary::get()),
      poller_(poller),
      connected_(is_connected(family)),
      polled_(families.at(family).polled),
      queues_(poller) {
  for (const char* name : families.at(family).providers) {
    info_ = find(name, families.at(family).takes_address ? bind_address : "");
    if (info_) break;
  }
  if (!info_) throw Failure(Code::provider_unavailable, "libfabric " + library_.version_text() + ": " + reason_);
  provider_ = info_->fabric_attr->prov_name;
  try {
    fid_fabric* fabric = nullptr;
    require(library_.fabric(info_->fabric_attr, &fabric, nullptr), "fi_fabric");
    fabric_.reset(fabric);
    open_events();
    fid_domain* domain = nullptr;
    require(::fi_domain(fabric_.get(), info_.get(), &domain, nullptr), "fi_domain");
    domain_.reset(domain);
    open_queue_for_all();
    // Some providers detect only here that they cannot be used.
    if (connected_) {
      listen();
    } else {
      open_endpoint().close();
    }
  } catch (const Failure& failure) {
    throw Failure(Code::provider_unavailable, failure.what());
  }
}

LibfabricDomain::~LibfabricDomain() {
  if (events_fd_ >= 0) poller_.remove(events_fd_);
}

void LibfabricDomain::require(int result, const char* what) const {
  if (result == 0) return;
  throw Failure(Code::fabric_error, provider_ + ": " + what + ": " + error_text(-result));
}

void LibfabricDomain::open_events() {
  fi_eq_attr attributes = {};
  attributes.size = pending_events_max;
  attributes.wait_obj = connected_ ? FI_WAIT_FD : FI_WAIT_NONE;
  fid_eq* events = nullptr;
  require(::fi_eq_open(fabric_.get(), &attributes, &events, nullptr), "fi_eq_open");
  events_.reset(events);
  if (!connected_) return;
  int descriptor = -1;
  require(::fi_control(&events->fid, FI_GETWAIT, &descriptor), "FI_GETWAIT");
  poller_.add(descriptor, CompletionQueue::any_queue_tag);
  events_fd_ = descriptor;
}

void LibfabricDomain::open_queue_for_all() {
  if (!connected_ && !polled_ && library_.version() < trywait_works_since) {
    fi_wait_attr attributes = {};
    attributes.wait_obj = FI_WAIT_FD;
    fid_wait* wait_set = nullptr;
    require(::fi_wait_open(fabric_.get(), &attributes, &wait_set), "fi_wait_open");
    wait_set_.reset(wait_set);
  }
  const size_t entries = connected_ ? silent_queue_entries : shared_queue_entries;
  const fi_wait_obj object = polled_ ? FI_WAIT_NONE : wait_set_ ? FI_WAIT_SET : FI_WAIT_FD;
  const CompletionQueue::Waiting waiting = {object, wait_set_.get()};
  shared_completions_ = std::make_unique<CompletionQueue>(queues_, domain_.get(), entries, waiting);
}

InfoHandle LibfabricDomain::find(const char* name, const std::string& bind_address) {
  InfoHandle hints(library_.dupinfo(nullptr));
  hints->caps = capabilities;
  hints->domain_attr->mr_mode = memory_modes;
  hints->domain_attr->data_progress = FI_PROGRESS_MANUAL;
  hints->domain_attr->control_progress = FI_PROGRESS_MANUAL;
  if (connected_) {
    hints->ep_attr->type = FI_EP_MSG;
    hints->domain_attr->threading = FI_THREAD_SAFE;
    hints->tx_attr->size = operations_max;
    hints->rx_attr->size = receives_max;
  } else {
    hints->ep_attr->type = FI_EP_RDM;
    hints->domain_attr->threading = FI_THREAD_DOMAIN;
    hints->tx_attr->op_flags = FI_DELIVERY_COMPLETE;
  }
  hints->fabric_attr->prov_name = ::strdup(name);  // freed with the hints, by free()
  const char* node = bind_address.empty() ? nullptr : bind_address.c_str();
  fi_info* found = nullptr;
  const int result =
      library_.getinfo(api_version, node, nullptr, node == nullptr ? 0 : FI_SOURCE, hints.get(), &found);
  InfoHandle all(found);
  for (fi_info* info = all.get(); result == 0 && info != nullptr; info = info->next) {
    // Shared receive contexts (XRC) need set-up of their own, and writes gain nothing from them.
    if (info->ep_attr->protocol == FI_PROTO_RDMA_CM_IB_XRC) continue;
    if (std::strcmp(info->fabric_attr->prov_name, name) == 0) return InfoHandle(library_.dupinfo(info));
  }
  const std::string why = result == 0 ? "no reliable endpoint" : error_text(-result);
  if (!reason_.empty()) reason_ += "; ";
  reason_ += std::string(name) + (node == nullptr ? "" : " at " + bind_address) + ": " + why;
  return nullptr;
}

std::string LibfabricDomain::error_text(int error) const { return library_.strerror(error); }

bool LibfabricDomain::read_completions(const Completed& completed) const {
  bool worked = false;
  // Iterates over a copy, because handling a completion may close endpoints with their queues.
  const std::vector<fid_cq*> queues = queues_.all();
  for (fid_cq* queue : queues) {
    if (queues_.contains(queue)) worked |= read_completions(queue, completed);
  }
  return worked;
}

bool LibfabricDomain::read_completions(fid_cq* queue, const Completed& completed) const {
  fi_cq_entry entries[completions_per_read];
  const ssize_t count = ::fi_cq_read(queue, entries, completions_per_read);
  if (count > 0) {
    for (ssize_t i = 0; i < count; i++) completed(reinterpret_cast<uint64_t>(entries[i].op_context), 0, "");
    return true;
  }
  if (count != -FI_EAVAIL) return false;
  fi_cq_err_entry error = {};
  if (::fi_cq_readerr(queue, &error, 0) <= 0) return false;
  std::string text = error_text(error.err);
  // The provider's own error, for example that of a card.
  const char* detail =
      error.prov_errno == 0 ? nullptr : ::fi_cq_strerror(queue, error.prov_errno, error.err_data, nullptr, 0);
  if (detail != nullptr && text != detail) text += std::string(" (") + detail + ")";
  const bool key_refused = provider_ == "verbs" && error.prov_errno == verbs_remote_access_error;
  completed(reinterpret_cast<uint64_t>(error.op_context), key_refused ? FI_EACCES : error.err, text);
  return true;
}

bool LibfabricDomain::may_wait() const {
  if (polled_) return true;
  if (wait_set_) return ::fi_wait(wait_set_.get(), 0) == -FI_ETIMEDOUT;
  std::vector<fid*> fids;
  for (fid_cq* queue : queues_.all()) fids.push_back(&queue->fid);
  if (connected_) fids.push_back(&events_->fid);
  return fids.empty() || ::fi_trywait(fabric_.get(), fids.data(), static_cast<int>(fids.size())) == 0;
}

Endpoint LibfabricDomain::open_endpoint() {
  Endpoint made;
  fi_av_attr address_attributes = {};
  address_attributes.type = FI_AV_UNSPEC;
  fid_av* addresses = nullptr;
  require(::fi_av_open(domain_.get(), &address_attributes, &addresses, nullptr), "fi_av_open");
  made.addresses.reset(addresses);
  fid_ep* endpoint = nullptr;
  require(::fi_endpoint(domain_.get(), info_.get(), &endpoint, nullptr), "fi_endpoint");
  made.endpoint.reset(endpoint);
  require(::fi_ep_bind(endpoint, &addresses->fid, 0), "fi_ep_bind address vector");
  bind_and_enable(endpoint, shared_completions_->get());
  return made;
}

void LibfabricDomain::bind_and_enable(fid_ep* endpoint, fid_cq* queue) const {
  require(::fi_ep_bind(endpoint, &queue->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind completion queue");
  const int bound = ::fi_ep_bind(endpoint, &events_->fid, 0);
  // Endpoints without connections need no event queue, and some providers refuse to bind one.
  const bool refused = bound == -FI_EINVAL || bound == -FI_ENOSYS || bound == -FI_EOPNOTSUPP;
  if (connected_ || !refused) require(bound, "fi_ep_bind event queue");
  require(::fi_enable(endpoint), "fi_enable");
}

Handle<fid_pep> LibfabricDomain::listen() {
  fid_pep* made = nullptr;
  require(::fi_passive_ep(fabric_.get(), info_.get(), &made, nullptr), "fi_passive_ep");
  Handle<fid_pep> listener(made);
  require(::fi_pep_bind(made, &events_->fid, 0), "fi_pep_bind");
  require(::fi_listen(made), "fi_listen");
  return listener;
}

std::unique_ptr<CompletionQueue> LibfabricDomain::open_queue() {
  return std::make_unique<CompletionQueue>(queues_, domain_.get(), operations_max, CompletionQueue::Waiting{});
}

Handle<fid_ep> LibfabricDomain::open_active(const std::vector<uint8_t>& peer, const CompletionQueue& queue) const {
  // The address format is that of this end. The library reads as many bytes as the format has.
  if (peer.size() != info_->src_addrlen) {
    throw Failure(Code::connection_failed, "the receiver's address is not one of provider " + provider_);
  }
  InfoHandle info(library_.dupinfo(info_.get()));
  info->dest_addr = std::malloc(peer.size());  // freed with the info, by free()
  if (info->dest_addr == nullptr) throw std::bad_alloc();
  std::memcpy(info->dest_addr, peer.data(), peer.size());
  info->dest_addrlen = peer.size();
  fid_ep* endpoint = nullptr;
  require(::fi_endpoint(domain_.get(), info.get(), &endpoint, nullptr), "fi_endpoint");
  Handle<fid_ep> opened(endpoint);
  bind_and_enable(endpoint, queue.get());
  return opened;
}

Handle<fid_ep> LibfabricDomain::open_accepted(fi_info* request) const {
  fid_ep* endpoint = nullptr;
  require(::fi_endpoint(domain_.get(), request, &endpoint, nullptr), "fi_endpoint");
  Handle<fid_ep> opened(endpoint);
  bind_and_enable(endpoint, shared_completions_->get());
  return opened;
}

// An endpoint takes the request over, and closing it refuses the request. `fi_reject` of libfabric before 1.18 keeps
// memory for each request of a card.
void LibfabricDomain::drop(fi_info* request) const {
  fid_ep* endpoint = nullptr;
  if (::fi_endpoint(domain_.get(), request, &endpoint, nullptr) == 0) ::fi_close(&endpoint->fid);
}

std::optional<ConnectionEvent> LibfabricDomain::next_event() const {
  alignas(fi_eq_cm_entry) uint8_t buffer[sizeof(fi_eq_cm_entry) + event_data_max] = {};
  const auto* entry = reinterpret_cast<const fi_eq_cm_entry*>(buffer);
  uint32_t kind = 0;
  const ssize_t bytes = ::fi_eq_read(events_.get(), &kind, buffer, sizeof buffer, 0);
  if (bytes == -FI_EAVAIL) return next_refusal();
  if (bytes < static_cast<ssize_t>(sizeof *entry)) return std::nullopt;
  ConnectionEvent event;
  event.object = entry->fid;
  event.data.assign(buffer + sizeof *entry, buffer + bytes);
  switch (kind) {
    case FI_CONNREQ:
      event.kind = ConnectionEvent::Kind::request;
      event.request.reset(entry->info);
      return event;
    case FI_CONNECTED:
      event.kind = ConnectionEvent::Kind::connected;
      return event;
    case FI_SHUTDOWN:
      event.kind = ConnectionEvent::Kind::ended;
      return event;
    default:
      event.kind = ConnectionEvent::Kind::other;
      return event;
  }
}

std::optional<ConnectionEvent> LibfabricDomain::next_refusal() const {
  std::vector<uint8_t> data(event_data_max);
  fi_eq_err_entry error = {};
  error.err_data = data.data();
  error.err_data_size = data.size();
  if (::fi_eq_readerr(events_.get(), &error, 0) < 0) return std::nullopt;
  ConnectionEvent event;
  event.kind = ConnectionEvent::Kind::refused;
  event.object = error.fid;
  event.text = error_text(error.err);
  // Some providers leave the buffer and point to one of their own.
  const auto* begin = static_cast<const uint8_t*>(error.err_data);
  if (begin != nullptr) event.data.assign(begin, begin + std::min(error.err_data_size, data.size()));
  return event;
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

std::vector<uint8_t> name_of(fid& object) {
  std::vector<uint8_t> name(name_bytes_max);
  size_t bytes = name.size();
  const int result = ::fi_getname(&object, name.data(), &bytes);
  if (result != 0) {
    throw Failure(Code::fabric_error, std::string("fi_getname: ") + LibfabricLibrary::get().strerror(-result));
  }
  name.resize(bytes);
  return name;
}

fi_addr_t Endpoint::insert(const std::vector<uint8_t>& name) const {
  fi_addr_t address = FI_ADDR_UNSPEC;
  // The library reads as many bytes as its address format has, even if it received fewer.
  const bool right_size = name.size() == name_of(endpoint->fid).size();
  if (!right_size || ::fi_av_insert(addresses.get(), name.data(), 1, &address, 0, nullptr) != 1) {
    throw Failure(Code::connection_failed, "not an address of this provider");
  }
  return address;
}

}  // namespace kvferry

#endif
