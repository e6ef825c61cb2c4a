#include "core/baseline.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <future>
#include <system_error>
#include <vector>

#include "core/failure.h"
#include "core/mapping.h"
#include "core/reserve.h"
#include "core/unique_fd.h"

namespace kvferry {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t stream_write_bytes = 1 << 20;
constexpr int socket_buffer_bytes = 4 << 20;

void require(bool good, const char* what) {
  if (!good) throw Failure(Code::internal, describe_errno(what, errno));
}

double gigabytes_per_second(uint64_t bytes, SteadyClock::time_point start) {
  const std::chrono::duration<double> seconds = SteadyClock::now() - start;
  return static_cast<double>(bytes) / seconds.count() / bytes_per_gigabyte;
}

// The file is unlinked at once, so it ends with its mapping even after a crash.
Mapping map_temporary(const std::string& directory, uint64_t bytes) {
  std::string path = directory + "/kvferry-baseline-XXXXXX";
  const UniqueFd fd(::mkostemp(path.data(), O_CLOEXEC));
  require(static_cast<bool>(fd), "mkostemp");
  ::unlink(path.c_str());
  reserve(fd.get(), bytes, any_numa_node);
  return Mapping(fd.get(), bytes, PROT_READ | PROT_WRITE, MAP_POPULATE);
}

uint64_t receive_all(int socket) {
  std::vector<char> buffer(stream_write_bytes);
  uint64_t total = 0;
  for (;;) {
    const ssize_t count = ::recv(socket, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    require(count >= 0, "recv");
    if (count == 0) return total;
    total += static_cast<uint64_t>(count);
  }
}

void send_all(int socket, uint64_t bytes) {
  const std::vector<char> buffer(stream_write_bytes, 'k');
  while (bytes > 0) {
    const ssize_t count = ::send(socket, buffer.data(), std::min<uint64_t>(bytes, buffer.size()), MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    require(count >= 0, "send");
    bytes -= static_cast<uint64_t>(count);
  }
}

}  // namespace

double measure_memcpy(uint64_t bytes, uint64_t page_bytes, const std::string& directory) {
  const Mapping source = map_temporary(directory, bytes);
  const Mapping target = map_temporary(directory, bytes);
  std::memset(source.data(), 1, bytes);
  std::memset(target.data(), 2, bytes);
  const auto start = SteadyClock::now();
  for (uint64_t offset = 0; offset < bytes; offset += page_bytes) {
    std::memcpy(target.data() + offset, source.data() + offset, std::min(page_bytes, bytes - offset));
  }
  return gigabytes_per_second(bytes, start);
}

double measure_tcp_stream(uint64_t bytes) {
  const UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(static_cast<bool>(listener), "socket");
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  ::setsockopt(listener.get(), SOL_SOCKET, SO_RCVBUF, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  require(::bind(listener.get(), generic, length) == 0, "bind");
  require(::listen(listener.get(), 1) == 0, "listen");
  require(::getsockname(listener.get(), generic, &length) == 0, "getsockname");

  // Ends after the sender, so that it reads the end of the stream when sending throws.
  std::future<uint64_t> received;
  UniqueFd sender(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  require(static_cast<bool>(sender), "socket");
  ::setsockopt(sender.get(), SOL_SOCKET, SO_SNDBUF, &socket_buffer_bytes, sizeof socket_buffer_bytes);
  require(::connect(sender.get(), generic, length) == 0, "connect");
  const UniqueFd receiver(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  require(static_cast<bool>(receiver), "accept");

  const auto start = SteadyClock::now();
  received = std::async(std::launch::async, [&] { return receive_all(receiver.get()); });
  send_all(sender.get(), bytes);
  sender.reset();
  if (received.get() != bytes) throw Failure(Code::internal, "the TCP stream over loopback lost bytes");
  return gigabytes_per_second(bytes, start);
}

}  // namespace kvferry
