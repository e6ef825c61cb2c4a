#include "same_host/receiver.h"

#include <sys/stat.h>

#include <fstream>
#include <system_error>

#include "core/failure.h"
#include "core/fields.h"
#include "core/random.h"
#include "core/stream_copy.h"
#include "core/write_scheduler.h"

namespace kvferry::same_host {
namespace {

constexpr size_t grants_max = 1024;
constexpr size_t peers_max = 1024;
constexpr size_t strangers_max = 256;
// More than an agent may attach (`segmentsMax`). It only bounds what a peer that breaks the protocol can make us keep.
constexpr size_t segments_per_peer_max = 8192;
// Number of queued requests of a peer above which its socket is not read.
constexpr size_t requests_per_peer_max = 512;
// Our sender asks for far fewer copies at once, so a peer with more unread answers does not read them.
constexpr size_t answers_per_peer_max = 512;
// Limits of one turn: after it, the next peer and then new commands get their turn.
constexpr uint64_t turn_bytes = 1 << 20;
constexpr size_t turn_requests = 64;

// Takes the same time whatever the words are.
bool equal(const uint64_t (&a)[2], const uint64_t (&b)[2]) { return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0; }

}  // namespace

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

Receiver::Receiver(Poller& poller, std::shared_ptr<Arena> arena, const Options& options, uint64_t listen_tag)
    : poller_(poller), arena_(std::move(arena)), entrance_(poller, options, listen_tag) {}

// The socket's device and inode show a sender in another mount namespace that the path leads to another socket.
std::string Receiver::address() const {
  struct stat status = {};
  if (::stat(entrance_.path().c_str(), &status) != 0) {
    throw Failure(Code::provider_unavailable, describe_errno(entrance_.path(), errno));
  }
  const std::vector<uint8_t> path(entrance_.path().begin(), entrance_.path().end());
  return boot_id() + ":" + hex_number(status.st_dev) + ":" + hex_number(status.st_ino) + ":" + hex_bytes(path);
}

uint64_t Receiver::grant(std::string& token) {
  if (grants_.size() == grants_max) {
    throw Failure(Code::fabric_error, "this receiver has too many grants: at most " + std::to_string(grants_max));
  }
  const Token secret = {{random_nonzero(), random_nonzero()}};
  grants_.emplace(++last_handle_, secret);
  token = hex_number(secret.words[0]) + ":" + hex_number(secret.words[1]);
  return last_handle_;
}

void Receiver::revoke(uint64_t handle) { grants_.erase(handle); }

// Closes the socket of a process beyond the limit, so its connect fails.
void Receiver::accept(uint64_t tag) {
  UniqueFd fd = entrance_.accept();
  if (!fd) return;
  const bool full = strangers_.size() == strangers_max || peers_.size() == peers_max;
  if (full && !strangers_.empty()) drop(strangers_.begin()->first);
  if (peers_.size() == peers_max) return;
  Peer peer;
  try {
    peer.channel = std::make_unique<Channel>(poller_, std::move(fd), tag);
  } catch (const std::system_error&) {
    entrance_.pause();
    return;
  }
  peers_.emplace(tag, std::move(peer));
  strangers_.emplace(tag, Clock::now() + hello_time);
}

void Receiver::drop(uint64_t tag) {
  peers_.erase(tag);
  strangers_.erase(tag);
}

void Receiver::drop_late_strangers() {
  if (strangers_.empty()) return;
  const Clock::time_point now = Clock::now();
  while (!strangers_.empty() && strangers_.begin()->second <= now) drop(strangers_.begin()->first);
}

Deadline Receiver::deadline() const {
  const Deadline late = strangers_.empty() ? std::nullopt : Deadline(strangers_.begin()->second);
  return earliest(late, entrance_.paused_until());
}

void Receiver::ready(uint64_t tag) {
  const auto found = peers_.find(tag);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  const bool full = peer.requests.size() >= requests_per_peer_max;
  if (!answers_flow(peer) || (!full && !receive(tag, peer))) drop(tag);
}

// Returns false when the peer has hung up or violates the protocol.
bool Receiver::receive(uint64_t tag, Peer& peer) {
  std::vector<Message> messages;
  std::vector<UniqueFd> descriptors;
  const auto received = peer.channel->receive(messages, descriptors);
  if (received == Channel::Received::hung_up) return false;
  for (const Message& message : messages) {
    if (!handle(peer, message, descriptors)) return false;
  }
  if (peer.grant != 0) strangers_.erase(tag);
  return answers_flow(peer);
}

// Returns false when the peer has hung up or does not read its answers.
bool Receiver::answers_flow(Peer& peer) {
  return peer.channel->flush() && peer.channel->unsent() <= answers_per_peer_max;
}

// Returns false when the peer violates the protocol.
bool Receiver::handle(Peer& peer, const Message& message, std::vector<UniqueFd>& descriptors) {
  if (peer.grant == 0 && message.kind != Kind::hello) return false;
  switch (message.kind) {
    case Kind::hello:
      return greet(peer, message);
    case Kind::attach:
      if (descriptors.size() > 1) return false;
      attach(peer, message.subject, descriptors);
      return true;
    case Kind::detach:
      peer.segments.erase(message.subject);
      return true;
    case Kind::copy:
      peer.requests.push_back(message);
      return true;
    case Kind::welcome:
    case Kind::refused:
    case Kind::done:
      return false;
  }
  return false;
}

bool Receiver::greet(Peer& peer, const Message& message) {
  if (peer.grant != 0 || message.subject != protocol_version) return false;
  for (const auto& [handle, token] : grants_) {
    if (equal(token.words, message.token)) peer.grant = handle;
  }
  Message reply = {};
  reply.kind = peer.grant == 0 ? Kind::refused : Kind::welcome;
  reply.subject = arena_->bytes();
  peer.channel->send(reply);
  return peer.channel->flush() && peer.grant != 0;
}

// A packet without its descriptor arrives when one of the two processes has no descriptor left.
void Receiver::attach(Peer& peer, uint64_t segment, std::vector<UniqueFd>& descriptors) {
  if (peer.segments.size() >= segments_per_peer_max) return;
  Source& source = peer.segments[segment];
  source = {};
  try {
    if (!descriptors.empty()) source.segment = std::make_unique<Segment>(std::move(descriptors.front()));
  } catch (const Failure&) {
    peer.segments.erase(segment);
  }
  descriptors.clear();
}

bool Receiver::progress() {
  entrance_.resume_if_due();
  drop_late_strangers();
  bool more = false;
  for (auto next = peers_.begin(); next != peers_.end();) {
    const auto current = next++;
    Peer& peer = current->second;
    if (peer.requests.empty()) continue;
    if (!copy_some(peer)) {
      drop(current->first);
    } else if (!peer.requests.empty()) {
      more = true;
    }
  }
  return more;
}

// Returns false when the peer has hung up or does not read its answers.
bool Receiver::copy_some(Peer& peer) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < turn_requests && bytes < turn_bytes && !peer.requests.empty(); i++) {
    const Message request = peer.requests.front();
    peer.requests.pop_front();
    Message reply = {};
    reply.kind = Kind::done;
    reply.ticket = request.ticket;
    reply.subject = request.subject;
    copy(peer, request, reply);
    peer.channel->send(reply);
    bytes += request.length;
  }
  return answers_flow(peer);
}

void Receiver::copy(Peer& peer, const Message& request, Message& reply) {
  reply.status = CopyStatus::rejected;
  if (!grants_.contains(peer.grant)) return;
  const bool in_arena = request.target_offset <= arena_->bytes() &&
                        request.length <= arena_->bytes() - request.target_offset;
  if (!in_arena || request.length == 0 || request.length > copy_bytes_max) return;
  if (request.piece_bytes == 0 || request.length / request.piece_bytes > slice_pieces_max) return;
  const auto found = peer.segments.find(request.subject);
  if (found != peer.segments.end()) {
    reply.status = read(found->second, request, reply);
  } else {
    const bool full = peer.segments.size() >= segments_per_peer_max;
    reply.status = full ? CopyStatus::too_many_segments : CopyStatus::segment_unknown;
  }
}

// A mapping with damage is dropped: only these bytes could not be read now, and the next copy maps the file again.
CopyStatus Receiver::read(Source& source, const Message& request, Message& reply) {
  if (!source.segment) return CopyStatus::no_descriptor;
  const Segment& segment = *source.segment;
  const SourceRange range = {request.source_offset, request.length, request.piece_bytes, request.stride};
  if (!range.within(segment.bytes()) || !segment.intact(range.end())) return CopyStatus::segment_shrank;
  SegmentMapping* mapping = mapped(source);
  if (mapping == nullptr) return CopyStatus::segment_unmapped;
  for (uint64_t done = 0; done < range.length; done += range.piece_bytes) {
    const uint64_t offset = range.at(done);
    mapping->prefault(offset, range.piece_bytes);
    stream_copy(arena_->data() + request.target_offset + done, mapping->data() + offset, range.piece_bytes);
  }
  if (mapping->damaged()) {
    const FaultGuard::Damage damage = mapping->damage();
    reply.source_offset = damage.offset;
    reply.length = damage.length;
    source.mapping.reset();
    return segment.intact(range.end()) ? CopyStatus::segment_without_memory : CopyStatus::segment_shrank;
  }
  if (!segment.intact(range.end())) return CopyStatus::segment_shrank;
  return arena_->fault().empty() ? CopyStatus::copied : CopyStatus::arena_invalid;
}

// The kernel and the fault guard limit the number of mappings. Beyond it the one that was not used for longest goes.
SegmentMapping* Receiver::mapped(Source& source) {
  source.last_copy = ++copies_;
  while (!source.mapping) {
    try {
      source.mapping = std::make_unique<SegmentMapping>(*source.segment);
    } catch (const Failure&) {
      if (!unmap_oldest()) return nullptr;
    }
  }
  return source.mapping.get();
}

// Returns false when nothing is mapped.
bool Receiver::unmap_oldest() {
  Source* oldest = nullptr;
  for (auto& [tag, peer] : peers_) {
    for (auto& [number, source] : peer.segments) {
      if (source.mapping && (oldest == nullptr || source.last_copy < oldest->last_copy)) oldest = &source;
    }
  }
  if (oldest == nullptr) return false;
  oldest->mapping.reset();
  return true;
}

}  // namespace kvferry::same_host
