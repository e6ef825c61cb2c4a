#include "libfabric/connected/receiver.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <cstring>
#include <utility>

#include "core/random.h"

namespace kvferry::connected {
namespace {

constexpr size_t grants_max = 1024;
// A sender has one connection, and a second one for a moment.
constexpr size_t connections_per_grant_max = 8;

}  // namespace

Receiver::Receiver(LibfabricDomain& domain, std::shared_ptr<Arena> arena, Registration registration)
    : domain_(domain),
      arena_(std::move(arena)),
      arena_registration_(std::move(registration)),
      agent_(random_nonzero()),
      mark_(sizeof agent_),
      mark_registration_(domain_.register_memory(mark_.data(), sizeof agent_, FI_REMOTE_READ, nullptr)),
      listener_(domain_.listen()) {
  std::memcpy(mark_.data(), &agent_, sizeof agent_);
}

Receiver::~Receiver() { listener_.reset(); }

std::string Receiver::address() const {
  return Address{domain_.provider(), name_of(listener_->fid), agent_, mark_registration_.remote}.text();
}

uint64_t Receiver::grant(std::string& token) {
  if (grants_.size() == grants_max) {
    throw Failure(Code::fabric_error, "this receiver has too many grants: at most " + std::to_string(grants_max));
  }
  const uint64_t handle = ++last_handle_;
  const Secret secret = {{random_nonzero(), random_nonzero()}};
  grants_[handle].secret = secret;
  token = Token{handle, secret}.text();
  return handle;
}

void Receiver::revoke(uint64_t handle) {
  const auto found = grants_.find(handle);
  if (found == grants_.end()) return;
  Grant& grant = found->second;
  grant.revoked = true;
  for (auto& [object, connection] : grant.connections) close_surely(connection, "a connection of a grant");
  grants_.erase(found);
}

void Receiver::handle(const ConnectionEvent& event) {
  switch (event.kind) {
    case ConnectionEvent::Kind::request:
      answer(event.request.get(), event.data);
      return;
    case ConnectionEvent::Kind::ended:
    case ConnectionEvent::Kind::refused:
      ended(event.object);
      return;
    case ConnectionEvent::Kind::connected:
    case ConnectionEvent::Kind::other:
      return;
  }
}

void Receiver::answer(fi_info* request, const std::vector<uint8_t>& data) {
  const auto hello = hello_of(data.data(), data.size());
  if (!hello) {
    domain_.drop(request);
    return;
  }
  const Verdict verdict = judge(*hello);
  if (verdict == Verdict::welcome) {
    accept(request, *hello);
  } else {
    refuse(request, verdict);
  }
}

Verdict Receiver::judge(const Hello& hello) const {
  if (hello.agent != agent_) return Verdict::other_agent;
  const auto found = grants_.find(hello.grant);
  if (found == grants_.end() || found->second.revoked) return Verdict::grant_unknown;
  if (!found->second.secret.equals(hello.secret)) return Verdict::grant_unknown;
  if (hello.purpose != Purpose::write) return Verdict::grant_live;
  return found->second.connections.size() < connections_per_grant_max ? Verdict::welcome : Verdict::grant_busy;
}

// The request belongs to the endpoint as soon as there is one. Closing it refuses the request.
void Receiver::accept(fi_info* request, const Hello& hello) {
  try {
    Handle<fid_ep> connection = domain_.open_accepted(request);
    const Answer answer = {Hello::right_magic, Verdict::welcome, arena_->bytes(), arena_registration_.remote};
    if (::fi_accept(connection.get(), &answer, sizeof answer) != 0) return;
    fid* object = &connection->fid;
    grants_.at(hello.grant).connections.emplace(object, std::move(connection));
  } catch (const Failure&) {
    // No memory for another connection, or the sender is gone. It waits until its deadline.
  }
}

void Receiver::refuse(fi_info* request, Verdict verdict) {
  const Answer answer = {Hello::right_magic, verdict, 0, {}};
  ::fi_reject(listener_.get(), request->handle, &answer, sizeof answer);
}

void Receiver::ended(fid* connection) {
  for (auto& [handle, grant] : grants_) {
    if (grant.connections.erase(connection) > 0) return;
  }
}

}  // namespace kvferry::connected

#endif
