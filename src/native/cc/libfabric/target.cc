#include "libfabric/target.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <atomic>

#include "core/fields.h"
#include "core/random.h"

namespace kvferry {
namespace {

// Number of records, and so of grants, in the page that senders read.
constexpr size_t grants_max = 1024;

// Senders read the records at any time, some of them through hardware.
void publish(GrantRecord& record, GrantState state) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  std::atomic_ref<GrantState>(record.state).store(state, std::memory_order_seq_cst);
}

}  // namespace

std::string TargetAddress::text() const {
  return provider + ":" + hex_bytes(endpoint) + ":" + hex_number(agent) + ":" + hex_number(records.key) + ":" +
         hex_number(records.base);
}

TargetAddress TargetAddress::parse(const std::string& text) {
  constexpr const char* what = "endpoint address";
  FieldReader fields(text);
  TargetAddress address;
  address.provider = required(fields.text(), what);
  address.endpoint = required(fields.bytes(), what);
  address.agent = required(fields.number(), what);
  address.records.key = required(fields.number(), what);
  address.records.base = required(fields.number(), what);
  return address;
}

std::string GrantToken::text() const {
  return hex_bytes(endpoint) + ":" + hex_number(arena.key) + ":" + hex_number(arena.base) + ":" +
         hex_number(records.key) + ":" + hex_number(records.base) + ":" + hex_number(slot) + ":" + hex_number(grant);
}

GrantToken GrantToken::parse(const std::string& text) {
  constexpr const char* what = "grant token";
  FieldReader fields(text);
  GrantToken token;
  token.endpoint = required(fields.bytes(), what);
  token.arena.key = required(fields.number(), what);
  token.arena.base = required(fields.number(), what);
  token.records.key = required(fields.number(), what);
  token.records.base = required(fields.number(), what);
  token.slot = required(fields.number(), what);
  token.grant = required(fields.number(), what);
  if (token.slot >= grants_max) throw Failure(Code::connection_failed, "the grant token names no grant");
  return token;
}

uint64_t GrantToken::record_address(const RemoteMemory& page) const { return page.base + slot * sizeof(GrantRecord); }

LibfabricTarget::LibfabricTarget(LibfabricDomain& domain, std::shared_ptr<Arena> arena)
    : domain_(domain),
      arena_(std::move(arena)),
      agent_(random_nonzero()),
      record_pages_(grants_max * sizeof(GrantRecord)),
      records_(reinterpret_cast<GrantRecord*>(record_pages_.data()), grants_max) {
  for (GrantRecord& record : records_) {
    record.agent = agent_;
    record.arena_bytes = arena_->bytes();
  }
  endpoint_ = domain_.open_endpoint();
  registration_ = domain_.register_memory(records_.data(), records_.size_bytes(), FI_REMOTE_READ,
                                          &endpoint_);
}

LibfabricTarget::~LibfabricTarget() {
  for (auto& [handle, grant] : grants_) {
    grant.arena.handle.reset();
    grant.endpoint.close();
    grant.records.handle.reset();
  }
  registration_.handle.reset();
  endpoint_.close();
}

std::string LibfabricTarget::address() const {
  return TargetAddress{domain_.provider(), name_of(endpoint_.endpoint->fid), agent_, registration_.remote}.text();
}

uint64_t LibfabricTarget::grant(std::string& token) {
  size_t slot = 0;
  while (slot < records_.size() && records_[slot].grant != 0) slot++;
  if (slot == records_.size()) {
    throw Failure(Code::fabric_error, "this receiver has too many grants: at most " + std::to_string(grants_max));
  }
  Grant grant = {slot, domain_.open_endpoint(), {}, {}};
  grant.arena = domain_.register_memory(arena_->data(), arena_->bytes(), FI_REMOTE_WRITE, &grant.endpoint);
  grant.records = domain_.register_memory(records_.data(), records_.size_bytes(), FI_REMOTE_READ,
                                          &grant.endpoint);
  GrantRecord& record = records_[slot];
  record.grant = random_nonzero();
  publish(record, GrantState::live);
  token = GrantToken{name_of(grant.endpoint.endpoint->fid), grant.arena.remote, grant.records.remote, slot, record.grant}.text();
  const uint64_t handle = ++last_handle_;
  grants_.emplace(handle, std::move(grant));
  return handle;
}

void LibfabricTarget::revoke(uint64_t handle) {
  const auto found = grants_.find(handle);
  if (found == grants_.end()) return;
  Grant& grant = found->second;
  GrantRecord& record = records_[grant.slot];
  publish(record, GrantState::revoking);
  close_surely(grant.arena.handle, "the arena's registration for a grant");
  grant.endpoint.close_surely();
  grant.records.handle.reset();
  record.grant = 0;
  publish(record, GrantState::none);
  grants_.erase(found);
}

}  // namespace kvferry

#endif
