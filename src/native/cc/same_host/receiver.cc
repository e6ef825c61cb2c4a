#include "same_host/receiver.h"

#include <sys/stat.h>

#include <bit>
#include <cstring>
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
// Copies of a peer that wait, and answers that it has not read. Our sender asks for 128 copies at once at most.
constexpr size_t requests_per_peer_max = 512;
constexpr size_t answers_per_peer_max = 512;
// Limits of one turn: after it, the next peer and then new commands get their turn.
constexpr uint64_t turn_bytes = 1 << 20;
constexpr size_t turn_requests = 64;

// Copies of a peer that are under way on devices.
constexpr size_t device_copies_per_peer_max = 64;

// Takes the same time whatever the words are.
bool equal(const uint64_t (&a)[2], const uint64_t (&b)[2]) { return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0; }

// What a peer makes this process throw ends that peer only, like a violation of the protocol.
template <typename Act>
bool without_exception(Act act) {
  try {
    return act();
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

Receiver::Receiver(Poller& poller, std::shared_ptr<Arena> arena, const Options& options, uint64_t listen_tag)
    : poller_(poller),
      arena_(std::move(arena)),
      entrance_(poller, options, listen_tag),
      workshop_(poller, 1),
      device_copies_(poller) {}

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

// While the connection is open, the sender knows that bytes may still land.
void Receiver::drop(uint64_t tag) {
  strangers_.erase(tag);
  const auto found = peers_.find(tag);
  if (found == peers_.end()) return;
  if (!may_land(tag)) {
    peers_.erase(found);
    return;
  }
  Peer& peer = found->second;
  peer.leaving = true;
  peer.requests.clear();
  peer.channel->deafen();
}

void Receiver::drop_late_strangers() {
  if (strangers_.empty()) return;
  const Clock::time_point now = Clock::now();
  while (!strangers_.empty() && strangers_.begin()->second <= now) drop(strangers_.begin()->first);
}

Deadline Receiver::deadline() const {
  const Deadline late = strangers_.empty() ? std::nullopt : Deadline(strangers_.begin()->second);
  return earliest(earliest(late, entrance_.paused_until()), device_copies_.deadline());
}

void Receiver::ready(uint64_t tag) {
  const auto found = peers_.find(tag);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  if (peer.leaving) return;
  const bool goes_on = without_exception([&] { return answers_flow(peer) && receive(tag, peer); });
  if (!goes_on) drop(tag);
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
  return peer.requests.size() <= requests_per_peer_max && answers_flow(peer);
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
    case Kind::handle:
      peer.handle = std::bit_cast<HandleMessage>(message).handle;
      return true;
    case Kind::attach_device:
      attach_device(peer, message);
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
    if (!descriptors.empty()) source.segment = std::make_shared<Segment>(std::move(descriptors.front()));
  } catch (const Failure&) {
    // The sender has attached it, so it had bytes then.
    source.failure = CopyStatus::segment_shrank;
  }
  descriptors.clear();
}

// Copies wait until it is open.
void Receiver::attach_device(Peer& peer, const Message& message) {
  if (peer.segments.size() >= segments_per_peer_max) return;
  DeviceMemory described = {};
  described.handle = peer.handle;
  std::memcpy(described.device.data(), message.token, sizeof message.token);
  described.offset = message.source_offset;
  described.bytes = message.length;
  peer.segments[message.subject] = {.device = DeviceSource::open(described, workshop_)};
}

bool Receiver::progress() {
  entrance_.resume_if_due();
  drop_late_strangers();
  bool more = workshop_.deliver();
  for (auto next = peers_.begin(); next != peers_.end();) {
    const auto current = next++;
    Peer& peer = current->second;
    if (peer.requests.empty()) continue;
    Turn turn = Turn::broken;
    without_exception([&] {
      turn = copy_some(current->first, peer);
      return true;
    });
    if (turn == Turn::broken) {
      drop(current->first);
    } else if (turn == Turn::done && !peer.requests.empty()) {
      more = true;
    }
  }
  device_copies_.flush();
  // Peers whose copies have ended may begin others.
  return answer_ended() || more;
}

bool Receiver::answer_ended() {
  const auto answers = device_copies_.ended();
  for (const auto& [tag, reply] : answers) {
    const auto found = peers_.find(tag);
    if (found == peers_.end()) continue;
    Peer& peer = found->second;
    if (!peer.leaving) {
      peer.channel->send(reply);
      if (!answers_flow(peer)) drop(tag);
    } else if (!may_land(tag)) {
      drop(tag);
    }
  }
  return !answers.empty();
}

bool Receiver::may_land(uint64_t tag) const {
  return device_copies_.of_peer(tag) > 0 || device_copies_.lost().peers.contains(tag);
}

void Receiver::finish() {
  device_copies_.finish();
  answer_ended();
}

Receiver::Turn Receiver::copy_some(uint64_t tag, Peer& peer) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < turn_requests && bytes < turn_bytes && !peer.requests.empty(); i++) {
    const Message request = peer.requests.front();
    if (waits(peer, request) || device_copies_.of_peer(tag) >= device_copies_per_peer_max) {
      return answers_flow(peer) ? Turn::waits : Turn::broken;
    }
    peer.requests.pop_front();
    Message reply = {};
    reply.kind = Kind::done;
    reply.ticket = request.ticket;
    reply.subject = request.subject;
    if (const auto status = copy(tag, peer, request, reply)) {
      reply.status = *status;
      peer.channel->send(reply);
    }
    bytes += request.length;
  }
  return answers_flow(peer) ? Turn::done : Turn::broken;
}

bool Receiver::waits(const Peer& peer, const Message& request) {
  const auto found = peer.segments.find(request.subject);
  return found != peer.segments.end() && found->second.device && found->second.device->opening();
}

std::optional<CopyStatus> Receiver::copy(uint64_t tag, Peer& peer, const Message& request, Message& reply) {
  if (!grants_.contains(peer.grant)) return CopyStatus::rejected;
  const bool in_arena = request.target_offset <= arena_->bytes() &&
                        request.length <= arena_->bytes() - request.target_offset;
  if (!in_arena || request.length == 0 || request.length > copy_bytes_max) return CopyStatus::rejected;
  if (request.piece_bytes == 0 || request.length / request.piece_bytes > slice_pieces_max) return CopyStatus::rejected;
  const auto found = peer.segments.find(request.subject);
  if (found != peer.segments.end()) return read(tag, peer, found->second, request, reply);
  const bool full = peer.segments.size() >= segments_per_peer_max;
  return full ? CopyStatus::too_many_segments : CopyStatus::segment_unknown;
}

std::optional<CopyStatus> Receiver::read(uint64_t tag, const Peer& peer, Source& source, const Message& request,
                                         Message& reply) {
  const SourceRange range = {request.source_offset, request.length, request.piece_bytes, request.stride};
  if (source.device) {
    if (!source.device->memory) return source.device->failure;
    if (!range.within(source.device->memory->memory().bytes)) return CopyStatus::segment_shrank;
  } else {
    if (!source.segment) return source.failure;
    const Segment& segment = *source.segment;
    if (!range.within(segment.bytes()) || !segment.intact(range.end())) return CopyStatus::segment_shrank;
    if (!mapped(source)) return CopyStatus::segment_unmapped;
    for (uint64_t done = 0; done < range.length; done += range.piece_bytes) {
      source.mapping->prefault(range.at(done), range.piece_bytes);
    }
    if (arena_->memory().on_host()) return read_file(source, request, range, reply);
  }
  begin(tag, peer, source, request, range, reply);
  return std::nullopt;
}

CopyStatus Receiver::read_file(Source& source, const Message& request, const SourceRange& range, Message& reply) {
  for (uint64_t done = 0; done < range.length; done += range.piece_bytes) {
    stream_copy(arena_->data() + request.target_offset + done, source.mapping->memory().host() + range.at(done),
                range.piece_bytes);
  }
  const CopyStatus status = held(*source.segment, *source.mapping, range, reply);
  return status == CopyStatus::copied && !arena_->fault().empty() ? CopyStatus::arena_invalid : status;
}

// The device on whose stream bytes go to or from a device.
cuda::Device& Receiver::device_of(const Source& source) const {
  return source.device ? source.device->memory->device() : cuda::Device::at(arena_->memory().device);
}

void Receiver::begin(uint64_t tag, const Peer& peer, const Source& source, const Message& request,
                     const SourceRange& range, const Message& reply) {
  DeviceCopies::Copy copy = {tag, peer.grant, arena_, reply, nullptr};
  Memory from;
  if (source.device) {
    from = source.device->memory->memory();
    copy.check = [memory = source.device->memory](Message&) { return CopyStatus::copied; };
  } else {
    from = source.mapping->memory();
    copy.check = [segment = source.segment, mapping = source.mapping, range](Message& answer) {
      return held(*segment, *mapping, range, answer);
    };
  }
  device_copies_.begin(device_of(source), arena_->memory(), request.target_offset, from, range, std::move(copy));
}

// A mapping with damage is dropped: only some bytes could not be read then, and this copy maps the file again.
// The kernel and the fault guard limit the number of mappings. Beyond it the one that was not used for longest goes.
std::shared_ptr<SegmentMapping> Receiver::mapped(Source& source) {
  source.last_copy = ++copies_;
  if (source.mapping && source.mapping->damaged()) source.mapping.reset();
  while (!source.mapping) {
    try {
      source.mapping = std::make_shared<SegmentMapping>(*source.segment);
    } catch (const Failure&) {
      if (!unmap_oldest()) return nullptr;
    }
  }
  return source.mapping;
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
