#include "tcp/receiver.h"

#include <sys/socket.h>

#include <cerrno>
#include <system_error>

#include "core/failure.h"

namespace kvferry::tcp {
namespace {

constexpr size_t strangers_max = 256;
constexpr size_t streams_per_grant_max = 64;
// Connections that one turn accepts.
constexpr int accepts_per_turn = 64;
constexpr std::chrono::seconds hello_max{5};
// For a sender to read that its grant was revoked.
constexpr std::chrono::seconds leave_max{5};
// Delay before the next attempt when no file descriptor is left.
constexpr std::chrono::milliseconds accept_retry{100};

}  // namespace

Receiver::Receiver(Poller& poller, std::shared_ptr<Arena> arena, const Options& options, uint64_t listen_tag,
                   uint64_t& last_tag)
    : poller_(poller),
      arena_(std::move(arena)),
      options_(options),
      listen_tag_(listen_tag),
      last_tag_(last_tag),
      socket_(listen_at(options.bind_address, options.ports)),
      encryption_(options.encrypted ? Encryption::make() : nullptr) {
  poller_.add(socket_.get(), listen_tag_);
}

Receiver::~Receiver() {
  peers_.clear();
  poller_.remove(socket_.get());
}

std::string Receiver::address() const {
  Address address = local_address(socket_);
  address.encrypted = options_.encrypted;
  return address.text();
}

void Receiver::revoke(uint64_t grant) {
  grants_.remove(grant);
  streams_.erase(grant);
  for (const auto& [tag, peer] : peers_) {
    if (peer->grant() != grant) continue;
    peer->fence();
    expiries_.emplace(tag, Clock::now() + leave_max);
    unfinished_.insert(tag);
  }
}

// accept4 takes a descriptor before it looks for a connection. So its error means that one waits only at the first call, when
// the poller has reported it.
void Receiver::accept() {
  for (int accepted = 0; accepted < accepts_per_turn;) {
    UniqueFd fd(::accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      admit(std::move(fd));
      accepted++;
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno == EAGAIN || accepted > 0) return;
    if (!drop_oldest_stranger()) pause_listening();
    return;
  }
}

void Receiver::admit(UniqueFd fd) {
  if (strangers_.size() == strangers_max) drop_oldest_stranger();
  tune(fd.get());
  const uint64_t tag = ++last_tag_;
  try {
    peers_.emplace(tag, std::make_unique<Peer>(poller_, make_wire(std::move(fd)), tag, *arena_));
  } catch (const std::exception&) {
    // The system has no room for the socket. The sender reads that it was closed.
    return;
  }
  strangers_.insert(tag);
  expiries_.emplace(tag, Clock::now() + hello_max);
}

std::unique_ptr<Wire> Receiver::make_wire(UniqueFd fd) const {
  if (encryption_) return encryption_->of_receiver(std::move(fd), grants_);
  return std::make_unique<PlainWire>(std::move(fd));
}

bool Receiver::drop_oldest_stranger() {
  if (strangers_.empty()) return false;
  drop(*strangers_.begin());
  return true;
}

void Receiver::pause_listening() {
  poller_.remove(socket_.get());
  listening_again_ = Clock::now() + accept_retry;
}

void Receiver::resume_listening() {
  try {
    poller_.add(socket_.get(), listen_tag_);
    listening_again_.reset();
  } catch (const std::system_error&) {
    listening_again_ = Clock::now() + accept_retry;
  }
}

void Receiver::ready(uint64_t tag, bool readable, bool writable) {
  const auto found = peers_.find(tag);
  if (found == peers_.end()) return;
  found->second->ready(readable, writable);
  unfinished_.insert(tag);
}

bool Receiver::progress() {
  if (listening_again_ && Clock::now() >= *listening_again_) resume_listening();
  drop_expired();
  std::set<uint64_t> tags;
  tags.swap(unfinished_);
  for (const uint64_t tag : tags) progress_peer(tag);
  return !tags.empty();
}

// What a peer makes this process throw ends that peer only.
void Receiver::progress_peer(uint64_t tag) {
  const auto found = peers_.find(tag);
  if (found == peers_.end()) return;
  try {
    progress_peer(tag, *found->second);
  } catch (const std::exception&) {
    drop(tag);
  }
}

void Receiver::progress_peer(uint64_t tag, Peer& peer) {
  switch (peer.progress()) {
    case Peer::Turn::waits:
      return;
    case Peer::Turn::unfinished:
      unfinished_.insert(tag);
      return;
    case Peer::Turn::greeted:
      judge(tag, peer);
      return;
    case Peer::Turn::ended:
      drop(tag);
      return;
  }
}

void Receiver::judge(uint64_t tag, Peer& peer) {
  const Hello& hello = peer.hello();
  const bool welcome = grants_.admits(hello.grant, hello.secret) && streams_[hello.grant] < streams_per_grant_max;
  if (!welcome) {
    peer.refuse();
    drop(tag);
    return;
  }
  streams_[hello.grant]++;
  strangers_.erase(tag);
  expiries_.erase(tag);
  peer.welcome();
  unfinished_.insert(tag);
}

void Receiver::drop_expired() {
  if (expiries_.empty()) return;
  const auto now = Clock::now();
  for (auto next = expiries_.begin(); next != expiries_.end();) {
    const auto current = next++;
    if (now >= current->second) drop(current->first);
  }
}

void Receiver::drop(uint64_t tag) {
  const auto found = peers_.find(tag);
  if (found == peers_.end()) return;
  if (const auto streams = streams_.find(found->second->grant()); streams != streams_.end()) streams->second--;
  peers_.erase(found);
  strangers_.erase(tag);
  expiries_.erase(tag);
}

bool Receiver::busy() const {
  for (const auto& [tag, peer] : peers_) {
    if (peer->busy()) return true;
  }
  return false;
}

Deadline Receiver::deadline() const {
  Deadline deadline = listening_again_;
  for (const auto& [tag, expiry] : expiries_) deadline = earliest(deadline, expiry);
  return deadline;
}

}  // namespace kvferry::tcp
