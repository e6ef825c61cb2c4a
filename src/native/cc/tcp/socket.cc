#include "tcp/socket.h"

#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <vector>

#include "core/failure.h"
#include "core/fields.h"

namespace kvferry::tcp {
namespace {

constexpr int backlog = 256;
// An idle path is probed before firewalls forget it, and ends after two minutes without a sign of the other host. A busy
// one ends after `silence_max`. The kernel applies `path_lost_ms` to probes too: with a smaller value, one lost probe would
// end an idle path.
constexpr int probe_after_seconds = 60;
constexpr int probe_every_seconds = 10;
constexpr int probes_max = 6;
constexpr int path_lost_ms = (probe_after_seconds + probe_every_seconds * probes_max) * 1000;

// Every kernel has it, and every process may choose it.
constexpr std::string_view unpaced = "reno";

using AddressList = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

AddressList resolve(const std::string& host, uint16_t port, int flags, Code code) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int result = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (result != 0) throw Failure(code, host + ": " + ::gai_strerror(result));
  return AddressList(found, ::freeaddrinfo);
}

UniqueFd make_socket(const addrinfo& address) {
  return UniqueFd(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
}

void set(int fd, int level, int option, int value) { ::setsockopt(fd, level, option, &value, sizeof value); }

// Returns 0 or the error.
int try_listen(const UniqueFd& socket, const addrinfo& address) {
  // A port whose last connections are still in TIME_WAIT can be used again.
  set(socket.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  const bool listening =
      ::bind(socket.get(), address.ai_addr, address.ai_addrlen) == 0 && ::listen(socket.get(), backlog) == 0;
  return listening ? 0 : errno;
}

// The address of a socket's own or other end, without the port.
std::string host_of(int fd, int (*name_of)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  char host[NI_MAXHOST] = {};
  const bool known = name_of(fd, generic, &length) == 0 &&
                     ::getnameinfo(generic, length, host, sizeof host, nullptr, 0, NI_NUMERICHOST) == 0;
  return known ? host : "";
}

// Both ends have the same address.
bool is_within_host(int fd) {
  const std::string own = host_of(fd, ::getsockname);
  return !own.empty() && own == host_of(fd, ::getpeername);
}

std::string range_text(PortRange ports) {
  return ports.first == ports.last ? std::to_string(ports.first)
                                   : std::to_string(ports.first) + "-" + std::to_string(ports.last);
}

}  // namespace

std::string wire_name() { return "kvferry-tcp-1"; }

std::string Address::text() const {
  return wire_name() + ":" + hex_bytes({host.begin(), host.end()}) + ":" + hex_number(port) + ":" +
         hex_number(encrypted ? 1 : 0);
}

Address Address::parse(const std::string& text) {
  FieldReader fields(text);
  const auto wire = fields.text();
  const auto host = fields.bytes();
  const auto port = fields.number();
  const auto encrypted = fields.number();
  const bool understood = wire == wire_name() && host && port && *port <= UINT16_MAX && encrypted && *encrypted <= 1;
  if (!understood) throw Failure(Code::connection_failed, "the endpoint address is malformed");
  return {std::string(host->begin(), host->end()), static_cast<uint16_t>(*port), *encrypted == 1};
}

UniqueFd listen_at(const std::string& host, PortRange ports) {
  int error = 0;
  for (uint32_t port = ports.first; port <= ports.last; port++) {
    const AddressList addresses = resolve(host, static_cast<uint16_t>(port), AI_PASSIVE, Code::provider_unavailable);
    UniqueFd socket = make_socket(*addresses);
    error = socket ? try_listen(socket, *addresses) : errno;
    if (error == 0) return socket;
    if (error != EADDRINUSE && error != EACCES) break;
  }
  throw Failure(Code::provider_unavailable,
                describe_errno("cannot listen at " + host + " port " + range_text(ports), error));
}

Address local_address(const UniqueFd& socket) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof storage;
  auto* generic = reinterpret_cast<sockaddr*>(&storage);
  if (::getsockname(socket.get(), generic, &length) != 0) {
    throw Failure(Code::provider_unavailable, describe_errno("getsockname", errno));
  }
  char host[NI_MAXHOST] = {};
  char port[NI_MAXSERV] = {};
  const int result =
      ::getnameinfo(generic, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
  if (result != 0) throw Failure(Code::provider_unavailable, ::gai_strerror(result));
  return {host, static_cast<uint16_t>(std::stoul(port)), false};
}

UniqueFd connect_to(const Address& address) {
  const AddressList addresses = resolve(address.host, address.port, AI_NUMERICHOST, Code::connection_failed);
  UniqueFd socket = make_socket(*addresses);
  const int error =
      socket && ::connect(socket.get(), addresses->ai_addr, addresses->ai_addrlen) == 0 ? 0 : errno;
  if (error != 0 && error != EINPROGRESS) {
    throw Failure(Code::connection_failed,
                  describe_errno(address.host + " port " + std::to_string(address.port), error));
  }
  return socket;
}

int connect_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

void tune(int fd) {
  set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(fd, IPPROTO_TCP, TCP_KEEPIDLE, probe_after_seconds);
  set(fd, IPPROTO_TCP, TCP_KEEPINTVL, probe_every_seconds);
  set(fd, IPPROTO_TCP, TCP_KEEPCNT, probes_max);
  set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, path_lost_ms);
  if (is_within_host(fd)) ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, unpaced.data(), unpaced.size());
}

uint64_t unacknowledged(int fd) {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 ? static_cast<uint64_t>(bytes) : 0;
}

}  // namespace kvferry::tcp
