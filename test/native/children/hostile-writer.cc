// A sender that keeps none of kvferry's rules: it speaks libfabric itself, and tries to write where it may not.
//
// Arguments: libfabric provider, an address of this host, and in hexadecimal the listener's address, the agent, the grant,
// the two words of its secret, and the arena's bytes. Prints one line for each attempt: its name, and `refused`, `failed` or `written`. Before its last two
// attempts it prints `ready` and waits for a line.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "libfabric/connected/hello.h"

namespace {

using kvferry::connected::Answer;
using kvferry::connected::Hello;
using kvferry::connected::Purpose;
using kvferry::connected::Verdict;

constexpr int patience_ms = 10000;
constexpr size_t pending = 64;

std::vector<uint8_t> listener;
fi_info* info = nullptr;
fid_fabric* fabric = nullptr;
fid_domain* domain = nullptr;
fid_eq* events = nullptr;
fid_cq* completions = nullptr;
fid_mr* region = nullptr;
char source[4096];

void require(long result, const char* what) {
  if (result >= 0) return;
  std::fprintf(stderr, "%s: %s\n", what, fi_strerror(static_cast<int>(-result)));
  std::exit(1);
}

uint64_t number(const char* text) { return std::strtoull(text, nullptr, 16); }

void open(const char* provider, const char* address, const char* listener_text) {
  for (const char* at = listener_text; at[0] != '\0' && at[1] != '\0'; at += 2) {
    listener.push_back(static_cast<uint8_t>(std::stoul(std::string(at, 2), nullptr, 16)));
  }
  fi_info* hints = fi_allocinfo();
  hints->caps = FI_MSG | FI_RMA;
  hints->ep_attr->type = FI_EP_MSG;
  hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
  hints->fabric_attr->prov_name = strdup(provider);
  require(fi_getinfo(FI_VERSION(1, 17), address, nullptr, FI_SOURCE, hints, &info), "fi_getinfo");
  info->dest_addr = std::malloc(listener.size());
  std::memcpy(info->dest_addr, listener.data(), listener.size());
  info->dest_addrlen = listener.size();
  require(fi_fabric(info->fabric_attr, &fabric, nullptr), "fi_fabric");
  require(fi_domain(fabric, info, &domain, nullptr), "fi_domain");
  fi_eq_attr event_attributes = {};
  event_attributes.wait_obj = FI_WAIT_UNSPEC;
  require(fi_eq_open(fabric, &event_attributes, &events, nullptr), "fi_eq_open");
  fi_cq_attr queue_attributes = {};
  queue_attributes.size = pending;
  queue_attributes.format = FI_CQ_FORMAT_CONTEXT;
  queue_attributes.wait_obj = FI_WAIT_UNSPEC;
  require(fi_cq_open(domain, &queue_attributes, &completions, nullptr), "fi_cq_open");
  require(fi_mr_reg(domain, source, sizeof source, FI_WRITE, 0, 1, 0, &region, nullptr), "fi_mr_reg");
  std::memset(source, 0xee, sizeof source);
}

struct Connection {
  fid_ep* endpoint = nullptr;
  Answer answer;
};

// Empty when it was refused.
std::optional<Connection> connect(const void* hello, size_t bytes) {
  Connection connection;
  require(fi_endpoint(domain, info, &connection.endpoint, nullptr), "fi_endpoint");
  require(fi_ep_bind(connection.endpoint, &events->fid, 0), "fi_ep_bind");
  require(fi_ep_bind(connection.endpoint, &completions->fid, FI_TRANSMIT | FI_RECV), "fi_ep_bind");
  require(fi_enable(connection.endpoint), "fi_enable");
  require(fi_connect(connection.endpoint, listener.data(), hello, bytes), "fi_connect");
  for (;;) {
    alignas(fi_eq_cm_entry) uint8_t event[sizeof(fi_eq_cm_entry) + 256];
    uint32_t kind = 0;
    const ssize_t read = fi_eq_sread(events, &kind, event, sizeof event, patience_ms, 0);
    if (read == -FI_EAVAIL) {
      fi_eq_err_entry error = {};
      fi_eq_readerr(events, &error, 0);
      if (error.fid != &connection.endpoint->fid) continue;
      fi_close(&connection.endpoint->fid);
      return std::nullopt;
    }
    require(read, "connecting");
    if (reinterpret_cast<fi_eq_cm_entry*>(event)->fid != &connection.endpoint->fid) continue;
    if (kind != FI_CONNECTED) return std::nullopt;
    std::memcpy(&connection.answer, event + sizeof(fi_eq_cm_entry), sizeof connection.answer);
    return connection;
  }
}

bool write(const Connection& connection, uint64_t address, uint64_t key) {
  const iovec local = {source, sizeof source};
  const fi_rma_iov remote = {address, sizeof source, key};
  void* description = fi_mr_desc(region);
  fi_msg_rma message = {};
  message.msg_iov = &local;
  message.desc = &description;
  message.iov_count = 1;
  message.rma_iov = &remote;
  message.rma_iov_count = 1;
  // Complete when it has landed: a write that is refused leaves this process all the same.
  if (fi_writemsg(connection.endpoint, &message, FI_DELIVERY_COMPLETE | FI_COMPLETION) != 0) return false;
  // A device may try for minutes to reach a connection that is gone.
  fi_cq_entry entry = {};
  const ssize_t read = fi_cq_sread(completions, &entry, 1, nullptr, patience_ms);
  if (read != -FI_EAVAIL) return read == 1;
  fi_cq_err_entry error = {};
  fi_cq_readerr(completions, &error, 0);
  return false;
}

void say(const char* name, const char* outcome) {
  std::printf("%s: %s\n", name, outcome);
  std::fflush(stdout);
}

void attempt(const char* name, const void* hello, size_t bytes) {
  say(name, connect(hello, bytes) ? "connected" : "refused");
}

}  // namespace

int main(int, char** arguments) {
  open(arguments[1], arguments[2], arguments[3]);
  Hello right;
  right.agent = number(arguments[4]);
  right.grant = number(arguments[5]);
  right.secret.words = {number(arguments[6]), number(arguments[7])};
  const uint64_t arena_bytes = number(arguments[8]);

  Hello hello = right;
  attempt("no hello", nullptr, 0);
  attempt("a short hello", &hello, 8);
  hello.magic = 7;
  attempt("another magic", &hello, sizeof hello);
  hello = right;
  hello.version = 99;
  attempt("another version", &hello, sizeof hello);
  hello = right;
  hello.agent++;
  attempt("another agent", &hello, sizeof hello);
  hello = right;
  hello.grant++;
  attempt("another grant", &hello, sizeof hello);
  hello = right;
  hello.secret.words[1] ^= 1;
  attempt("another secret", &hello, sizeof hello);
  hello = right;
  hello.purpose = Purpose::ask;
  attempt("only a question", &hello, sizeof hello);

  struct Place {
    const char* name;
    uint64_t offset;
    uint64_t key_offset;
  };
  const Place places[] = {{"a made-up key", 0, 1},
                          {"behind the arena", arena_bytes, 0},
                          {"across the end of the arena", arena_bytes - sizeof source / 2, 0},
                          {"before the arena", ~uint64_t{0} - 4095, 0}};
  for (const Place& place : places) {
    const auto connection = connect(&right, sizeof right);
    const bool written = connection && write(*connection, connection->answer.arena.base + place.offset,
                                             connection->answer.arena.key + place.key_offset);
    say(place.name, written ? "written" : "failed");
    if (connection) fi_close(&connection->endpoint->fid);
  }

  const auto live = connect(&right, sizeof right);
  if (!live) return 1;
  say("inside the arena", write(*live, live->answer.arena.base, live->answer.arena.key) ? "written" : "failed");
  std::puts("ready");
  std::fflush(stdout);
  std::getchar();
  say("after the revocation", write(*live, live->answer.arena.base, live->answer.arena.key) ? "written" : "failed");
  attempt("the revoked grant again", &right, sizeof right);
  return 0;
}
