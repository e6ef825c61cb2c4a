// Drives the transports without JavaScript, so that a sanitizer sees every thread: random calls of a sender and a receiver,
// an engine that truncates its files meanwhile, and an end in the middle of it, from two threads at once. Every call must be
// answered exactly once. Arguments: provider, seed, rounds, directory. Prints the numbers of calls, of writes and of those that
// were delivered.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <thread>

#include "core/file_arena.h"
#include "core/loop_watch.h"
#include "core/memory_file.h"
#include "core/reserve.h"
#include "libfabric/transport.h"
#include "same_host/transport.h"
#include "tcp/transport.h"

namespace kvferry {
namespace {

constexpr size_t arena_bytes = 1 << 20;
constexpr size_t segment_bytes = 256 << 10;
constexpr int calls_per_round = 300;
constexpr std::chrono::seconds patience{60};

struct Counts {
  uint64_t calls = 0;
  uint64_t writes = 0;
  uint64_t delivered = 0;
};

[[noreturn]] void die(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

// One end of a connection: a transport with the ids that it was given.
struct End {
  Outbox outbox;
  std::unique_ptr<Transport> transport;
  uint32_t last_id = 0;
  std::vector<uint32_t> writes;

  End(const std::string& provider, const std::string& directory, unsigned streams) {
    const WriteLimits limits = {256 << 10, 32 << 10};
    if (provider == "same-host") {
      transport = make_same_host_transport(nullptr, outbox, limits, {directory});
    } else if (provider == "tcp") {
      transport = make_tcp_transport(outbox, limits, {"127.0.0.1", {}, streams, false});
    } else {
      transport = make_libfabric_transport(outbox, limits, provider, "127.0.0.1");
    }
    transport->start(std::chrono::microseconds(0));
  }

  template <typename Command>
  uint32_t begin(Command command) {
    const uint32_t id = ++last_id;
    Transport* to = transport.get();
    to->post(id, [to, id, command] { command(*to, id); });
    return id;
  }

  template <typename Command>
  uint32_t begin_sending(Command command) {
    const uint32_t id = ++last_id;
    Transport* to = transport.get();
    to->post_to_sender(id, [to, id, command] { command(*to, id); });
    return id;
  }

  // Turns the loop until the call is answered.
  Completion wait(uint32_t id) {
    const auto late = Clock::now() + patience;
    for (;;) {
      LoopWatch::turn();
      if (auto completion = outbox.of(id, std::chrono::milliseconds(1))) return *completion;
      if (Clock::now() > late) die("call " + std::to_string(id) + " was not answered");
    }
  }

  void end() {
    transport->leave_loop();
    std::thread other([this] { transport->shut_down(); });
    transport->shut_down();
    other.join();
    for (uint32_t id = 1; id <= last_id; id++) {
      const size_t count = outbox.count(id);
      if (count != 1) die("call " + std::to_string(id) + " was answered " + std::to_string(count) + " times");
    }
  }
};

class Round {
 public:
  Round(const std::string& provider, const std::string& directory, uint64_t seed)
      : random_(seed),
        directory_(directory),
        receiver_(provider, directory, 1),
        sender_(provider, directory, 1 + static_cast<unsigned>(random_() % 3)),
        arena_(std::make_shared<FileArena>(directory + "/kvferry-" + std::to_string(seed) + "-arena", arena_bytes,
                                       any_numa_node)) {
    for (End* end : {&receiver_, &sender_}) {
      const Completion opened = end->wait(end->begin([](Transport& transport, uint32_t id) { transport.open(id); }));
      if (opened.code != Code::ok) die("open: " + opened.message);
    }
    const Completion listening = receiver_.wait(receiver_.begin(
        [arena = arena_](Transport& transport, uint32_t id) { transport.listen(id, arena); }));
    if (listening.code != Code::ok) die("listen: " + listening.message);
    address_ = listening.text;
    for (int i = 0; i < 3; i++) add_segment();
  }

  void play(Counts& counts) {
    std::atomic<bool> ended = false;
    std::thread engine([this, &ended] { shake_segments(ended); });
    for (int i = 0; i < calls_per_round; i++) {
      call();
      LoopWatch::turn();
    }
    if (random_() % 2 == 0) {
      receiver_.end();
      sender_.end();
    } else {
      sender_.end();
      receiver_.end();
    }
    ended = true;
    engine.join();
    counts.calls += receiver_.last_id + sender_.last_id;
    counts.writes += sender_.writes.size();
    for (const uint32_t id : sender_.writes) counts.delivered += sender_.outbox.of(id, patience)->code == Code::ok;
  }

 private:
  void add_segment() {
    const std::string path = directory_ + "/segment-" + std::to_string(random_());
    files_.push_back(std::make_unique<MemoryFile>(path, segment_bytes, any_numa_node));
    segments_.push_back(std::make_shared<Segment>(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC))));
  }

  // What an engine does that makes its files smaller by mistake.
  void shake_segments(const std::atomic<bool>& ended) {
    std::minstd_rand random;
    while (!ended) {
      const int fd = files_[random() % files_.size()]->fd();
      if (::ftruncate(fd, static_cast<off_t>(random() % segment_bytes)) != 0) die("ftruncate");
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
      if (::ftruncate(fd, segment_bytes) != 0) die("ftruncate");
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    }
  }

  void call() {
    const auto choice = random_() % 100;
    if (choice < 6) {
      grant();
    } else if (choice < 14) {
      connect();
    } else if (choice < 18 && !grants_.empty()) {
      const uint64_t grant = one_of(grants_).handle;
      receiver_.begin([grant](Transport& transport, uint32_t id) { transport.revoke(id, grant); });
    } else if (choice < 22 && !connections_.empty()) {
      const uint64_t connection = one_of(connections_);
      sender_.begin_sending(
          [connection](Transport& transport, uint32_t id) { transport.disconnect(id, connection); });
    } else if (choice < 30 && !sender_.writes.empty() && !connections_.empty()) {
      stop(one_of(connections_), one_of(sender_.writes));
    } else if (choice < 32) {
      forget(one_of(segments_));
    } else if (choice < 50 && !sender_.writes.empty()) {
      sender_.wait(one_of(sender_.writes));
    } else if (!connections_.empty()) {
      write(one_of(connections_));
    } else {
      connect();
    }
  }

  void grant() {
    grants_.push_back(receiver_.wait(
        receiver_.begin([](Transport& transport, uint32_t id) { transport.grant(id); })));
  }

  void connect() {
    if (grants_.empty()) grant();
    const std::string token = random_() % 8 == 0 ? "1:" + std::string(64, '0') : one_of(grants_).text;
    const auto deadline = Clock::now() + std::chrono::milliseconds(random_() % 4 == 0 ? random_() % 3 : 10'000);
    const uint32_t id = sender_.begin_sending([address = address_, token, deadline](Transport& transport, uint32_t id) {
      transport.connect(id, address, token, deadline);
    });
    if (random_() % 3 == 0) return;
    const Completion completion = sender_.wait(id);
    if (completion.code == Code::ok) connections_.push_back(completion.handle);
  }

  SourceRange source_range() {
    const uint64_t offset = random_() % segment_bytes;
    const uint64_t room = segment_bytes - offset;
    if (random_() % 2 == 0) return SourceRange::of_one(offset, random_() % (room + 1));
    const uint64_t pieces = 1 + random_() % 64;
    const uint64_t stride = 1 + room / pieces;
    const uint64_t piece = 1 + random_() % stride;
    return {offset, pieces * piece, piece, stride};
  }

  void write(uint64_t connection) {
    std::vector<WriteItem> items;
    for (auto left = 1 + random_() % 6; left > 0; left--) {
      // Now and then beyond the arena.
      items.push_back({one_of(segments_), source_range(), random_() % (arena_bytes + arena_bytes / 64)});
    }
    sender_.writes.push_back(sender_.begin_sending([connection, items](Transport& transport, uint32_t id) {
      transport.write(id, connection, items);
    }));
  }

  void stop(uint64_t connection, uint32_t write) {
    Transport* to = sender_.transport.get();
    to->post_to_sender(0, [to, connection, write] { to->stop(connection, write); });
  }

  void forget(std::shared_ptr<Segment> segment) {
    Transport* to = sender_.transport.get();
    to->post_to_sender(0, [to, segment = std::move(segment)] { to->forget(segment); });
  }

  template <typename Item>
  Item& one_of(std::vector<Item>& items) {
    return items[random_() % items.size()];
  }

  std::mt19937_64 random_;
  const std::string directory_;
  End receiver_;
  End sender_;
  const std::shared_ptr<Arena> arena_;
  std::string address_;
  std::vector<std::unique_ptr<MemoryFile>> files_;
  std::vector<std::shared_ptr<Segment>> segments_;
  std::vector<Completion> grants_;
  std::vector<uint64_t> connections_;
};

}  // namespace
}  // namespace kvferry

int main(int, char** arguments) {
  const std::string provider = arguments[1];
  const uint64_t seed = std::strtoull(arguments[2], nullptr, 10);
  const uint64_t rounds = std::strtoull(arguments[3], nullptr, 10);
  kvferry::Counts counts;
  for (uint64_t round = 0; round < rounds; round++) {
    kvferry::Round(provider, arguments[4], seed + round).play(counts);
  }
  std::printf("%s: %lu calls, %lu writes, %lu delivered\n", provider.c_str(), counts.calls, counts.writes,
              counts.delivered);
  return 0;
}
