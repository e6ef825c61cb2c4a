// Stands in for libfabric's EFA provider, which needs a device. It is libfabric's net provider behind the rules of EFA:
// it is asked without an address, its memory must be registered, and its queues have nothing to wait for. Its send queue is
// full at every third write. It does not close registrations while the file exists that KVFERRY_STAND_IN_IS_BUSY names.
#include <rdma/fabric.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_errno.h>
#include <rdma/fi_rma.h>
#include <rdma/providers/fi_prov.h>

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

namespace {

constexpr const char* inner = "net";

fi_ops_fabric fabric_ops;
fi_ops_domain domain_ops;
fi_ops_mr registration_ops;
fi_ops registration_object_ops;
fi_ops_rma memory_ops;
int (*inner_domain)(fid_fabric*, fi_info*, fid_domain**, void*);
int (*inner_register)(fid*, const void*, size_t, uint64_t, uint64_t, uint64_t, uint64_t, fid_mr**, void*);
int (*inner_close)(fid*);
int (*inner_cq_open)(fid_domain*, fi_cq_attr*, fid_cq**, void*);
int (*inner_endpoint)(fid_domain*, fi_info*, fid_ep**, void*);
ssize_t (*inner_write)(fid_ep*, const fi_msg_rma*, uint64_t);

void rename(fi_info* info, const char* name) {
  std::free(info->fabric_attr->prov_name);
  info->fabric_attr->prov_name = name == nullptr ? nullptr : strdup(name);
}

int get_info(uint32_t version, const char* node, const char*, uint64_t, const fi_info* hints, fi_info** info) {
  if (node != nullptr || hints == nullptr || (hints->domain_attr->mr_mode & FI_MR_LOCAL) == 0) return -FI_ENODATA;
  fi_info* asked = fi_dupinfo(hints);
  rename(asked, inner);
  const int result = fi_getinfo(version, "127.0.0.1", nullptr, FI_SOURCE, asked, info);
  fi_freeinfo(asked);
  for (fi_info* found = *info; result == 0 && found != nullptr; found = found->next) {
    rename(found, nullptr);  // libfabric gives it this provider's name
    found->domain_attr->mr_mode |= FI_MR_LOCAL;
  }
  return result;
}

int open_queue(fid_domain* domain, fi_cq_attr* attributes, fid_cq** queue, void* context) {
  if (attributes->wait_obj != FI_WAIT_NONE) return -FI_ENOSYS;
  return inner_cq_open(domain, attributes, queue, context);
}

ssize_t write_message(fid_ep* endpoint, const fi_msg_rma* message, uint64_t flags) {
  static std::atomic<unsigned> writes{0};
  return ++writes % 3 == 0 ? -FI_EAGAIN : inner_write(endpoint, message, flags);
}

int open_endpoint(fid_domain* domain, fi_info* info, fid_ep** endpoint, void* context) {
  const int result = inner_endpoint(domain, info, endpoint, context);
  // The net provider makes others for itself.
  if (result != 0 || info->ep_attr->type != FI_EP_RDM) return result;
  memory_ops = *(*endpoint)->rma;
  inner_write = memory_ops.writemsg;
  memory_ops.writemsg = write_message;
  (*endpoint)->rma = &memory_ops;
  return 0;
}

int close_registration(fid* registration) {
  const char* busy = std::getenv("KVFERRY_STAND_IN_IS_BUSY");
  if (busy != nullptr && ::access(busy, F_OK) == 0) return -FI_EBUSY;
  return inner_close(registration);
}

int register_memory(fid* domain, const void* memory, size_t bytes, uint64_t access, uint64_t offset, uint64_t key,
                    uint64_t flags, fid_mr** registration, void* context) {
  const int result = inner_register(domain, memory, bytes, access, offset, key, flags, registration, context);
  if (result != 0) return result;
  registration_object_ops = *(*registration)->fid.ops;
  if (registration_object_ops.close != close_registration) inner_close = registration_object_ops.close;
  registration_object_ops.close = close_registration;
  (*registration)->fid.ops = &registration_object_ops;
  return 0;
}

int open_domain(fid_fabric* fabric, fi_info* info, fid_domain** domain, void* context) {
  fi_info* renamed = fi_dupinfo(info);
  rename(renamed, inner);
  renamed->domain_attr->mr_mode &= ~FI_MR_LOCAL;
  const int result = inner_domain(fabric, renamed, domain, context);
  fi_freeinfo(renamed);
  if (result != 0) return result;
  domain_ops = *(*domain)->ops;
  inner_cq_open = domain_ops.cq_open;
  domain_ops.cq_open = open_queue;
  inner_endpoint = domain_ops.endpoint;
  domain_ops.endpoint = open_endpoint;
  (*domain)->ops = &domain_ops;
  registration_ops = *(*domain)->mr;
  inner_register = registration_ops.reg;
  registration_ops.reg = register_memory;
  (*domain)->mr = &registration_ops;
  return 0;
}

// EFA's would crash, because its queues have nothing to wait for.
int wait(fid_fabric*, fid**, int) { std::abort(); }

int open_fabric(fi_fabric_attr* attributes, fid_fabric** fabric, void* context) {
  fi_fabric_attr renamed = *attributes;
  renamed.prov_name = const_cast<char*>(inner);
  const int result = fi_fabric(&renamed, fabric, context);
  if (result != 0) return result;
  fabric_ops = *(*fabric)->ops;
  inner_domain = fabric_ops.domain;
  fabric_ops.domain = open_domain;
  fabric_ops.trywait = wait;
  (*fabric)->ops = &fabric_ops;
  return 0;
}

void clean_up() {}

fi_provider provider = {
    .version = FI_VERSION(99, 0),  // of two providers with one name libfabric takes the newer one
    .fi_version = FI_VERSION(1, 17),
    .context = {},
    .name = "efa",
    .getinfo = get_info,
    .fabric = open_fabric,
    .cleanup = clean_up,
};

}  // namespace

// A name without C++ decoration, by which libfabric finds the provider.
extern "C" FI_EXT_INI { return &provider; }
