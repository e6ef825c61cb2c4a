#include "same_host/socket.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "core/failure.h"
#include "core/fields.h"
#include "core/random.h"

namespace kvferry::same_host {
namespace {

constexpr std::string_view name_prefix = "kvferry-";
constexpr std::string_view name_suffix = ".sock";
constexpr std::string_view unfinished_suffix = ".new";
constexpr mode_t own_user_mode = 0600;
constexpr mode_t any_user_mode = 0666;
constexpr int backlog = 64;
constexpr size_t descriptors_per_packet = 4;

std::optional<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::nullopt;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

UniqueFd make_socket() { return UniqueFd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)); }

int try_connect(const UniqueFd& socket, const std::string& path) {
  const auto address = address_of(path);
  if (!address) return ENAMETOOLONG;
  const int result = ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
  return result == 0 ? 0 : errno;
}

// Removes socket files that refuse connections: their process is dead. A live receiver listens before its file gets its
// final name.
void sweep(const std::string& directory) {
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(::opendir(directory.c_str()), ::closedir);
  if (!listing) return;
  while (const dirent* entry = ::readdir(listing.get())) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(name_prefix) || !name.ends_with(name_suffix)) continue;
    const std::string path = directory + "/" + entry->d_name;
    if (try_connect(make_socket(), path) == ECONNREFUSED) ::unlink(path.c_str());
  }
}

}  // namespace

ListeningSocket ListeningSocket::open(const Options& options) {
  const std::string& directory = options.directory;
  sweep(directory);
  ListeningSocket made;
  made.path = directory + "/" + std::string(name_prefix) + std::to_string(::getpid()) + "-" +
              hex_number(random_nonzero()) + std::string(name_suffix);
  const std::string unfinished = made.path + std::string(unfinished_suffix);
  const auto address = address_of(unfinished);
  if (!address) {
    throw Failure(Code::provider_unavailable, "the path is too long, choose a shorter socket directory: " + made.path);
  }
  made.fd = make_socket();
  const bool listening =
      made.fd && ::bind(made.fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) == 0 &&
      ::chmod(unfinished.c_str(), options.any_user ? any_user_mode : own_user_mode) == 0 && ::listen(made.fd.get(), backlog) == 0 &&
      ::rename(unfinished.c_str(), made.path.c_str()) == 0;
  if (listening) return made;
  const int error = errno;
  ::unlink(unfinished.c_str());
  throw Failure(Code::provider_unavailable, describe_errno("cannot listen in socket directory " + directory, error));
}

void ListeningSocket::close() {
  if (!fd) return;
  ::unlink(path.c_str());
  fd.reset();
}

UniqueFd connect_to(const std::string& path, const Options& options) {
  UniqueFd socket = make_socket();
  const int error = socket ? try_connect(socket, path) : errno;
  if (error == EAGAIN) return UniqueFd();
  if (error != 0) throw Failure(Code::connection_failed, describe_errno("socket " + path, error));
  if (may_work_with(socket.get(), options)) return socket;
  throw Failure(Code::connection_failed, "socket " + path +
                                             ": a process of another user listens there: run both agents as one user, or set "
                                             "--socket-users any for both");
}

bool may_work_with(int fd, const Options& options) {
  if (options.any_user) return true;
  ucred peer = {};
  socklen_t bytes = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

Channel::Channel(Poller& poller, UniqueFd fd, uint64_t tag) : poller_(poller), fd_(std::move(fd)), tag_(tag) {
  poller_.add(fd_.get(), tag_);
}

Channel::~Channel() { deafen(); }

void Channel::deafen() { poller_.remove(fd_.get()); }

Channel::Received Channel::receive(std::vector<Message>& messages, std::vector<UniqueFd>& descriptors) {
  messages.resize(messages_per_packet);
  descriptors.clear();
  iovec data = {messages.data(), messages.size() * sizeof(Message)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * descriptors_per_packet)];
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t bytes = ::recvmsg(fd_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (bytes < 0) {
    messages.clear();
    if (errno == EAGAIN || errno == EINTR) return Received::nothing;
    closed_by_peer_ = errno == ECONNRESET;
    return Received::hung_up;
  }
  closed_by_peer_ = bytes == 0;
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int descriptor = -1;
      std::memcpy(&descriptor, CMSG_DATA(part) + i * sizeof(int), sizeof descriptor);
      descriptors.emplace_back(descriptor);
    }
  }
  messages.resize(static_cast<size_t>(bytes) / sizeof(Message));
  // Packets of kvferry are never empty and always whole. Another program sent anything else.
  const bool whole = bytes > 0 && static_cast<size_t>(bytes) % sizeof(Message) == 0;
  return whole ? Received::packet : Received::hung_up;
}

void Channel::send(const Message& message, std::shared_ptr<const Segment> segment) {
  unsent_.push_back({message, std::move(segment)});
}

bool Channel::flush() {
  while (!unsent_.empty()) {
    const ssize_t sent = send_packet();
    if (sent < 0) {
      if (errno == EINTR) continue;
      // ETOOMANYREFS: the receiver has yet to take descriptors that are on their way.
      if (errno == EAGAIN || errno == ETOOMANYREFS) break;
      closed_by_peer_ = errno == EPIPE || errno == ECONNRESET;
      return false;
    }
    unsent_.erase(unsent_.begin(), unsent_.begin() + sent);
  }
  if (unsent_.empty() == watching_writable_) {
    watching_writable_ = !unsent_.empty();
    poller_.watch_writable(fd_.get(), tag_, watching_writable_);
  }
  return true;
}

// Sends a message with a descriptor alone, so that the receiver can assign the descriptor.
ssize_t Channel::send_packet() {
  Message packet[messages_per_packet];
  size_t count = 0;
  const Segment* segment = unsent_.front().segment.get();
  for (const Unsent& unsent : unsent_) {
    if (count == messages_per_packet || (count > 0 && (segment != nullptr || unsent.segment))) break;
    packet[count++] = unsent.message;
  }
  iovec data = {packet, count * sizeof(Message)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (segment != nullptr) {
    const int descriptor = segment->fd();
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }
  const ssize_t result = ::sendmsg(fd_.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  return result < 0 ? result : static_cast<ssize_t>(count);
}

}  // namespace kvferry::same_host
