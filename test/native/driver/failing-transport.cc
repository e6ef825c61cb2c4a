// A transport whose work throws, or a command: every command is answered, and the process lives. Prints what became of them.
#include <atomic>
#include <cstdio>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include "core/transport.h"

namespace kvferry {
namespace {

constexpr std::chrono::seconds patience{60};

class Failing final : public Transport {
 public:
  using Transport::Transport;
  ~Failing() override { shut_down(); }

  void open(uint32_t id) override { answer(id); }
  void listen(uint32_t, std::shared_ptr<Arena>) override { throw std::bad_alloc(); }
  void grant(uint32_t id) override {
    // The work that follows this command throws.
    refused_by_the_system_ = true;
    answer(id);
  }
  void revoke(uint32_t id, uint64_t) override { answer(id); }
  void connect(uint32_t id, std::string, std::string, Clock::time_point) override { pending_ = id; }
  void write(uint32_t id, uint64_t, std::vector<WriteItem>) override { answer(id); }
  void stop(uint64_t, uint32_t) override { throw std::logic_error("a command without an id"); }
  void disconnect(uint32_t id, uint64_t) override { answer(id); }
  void forget(const std::shared_ptr<Segment>&) override {}

 protected:
  bool progress() override {
    if (refused_by_the_system_) throw std::system_error(ENOSPC, std::generic_category(), "epoll_ctl");
    return false;
  }
  bool busy() const override { return false; }
  void tear_down() override {
    if (const uint32_t id = std::exchange(pending_, 0); id != 0) answer_failure(id, Code::closed, "torn down");
  }

 private:
  bool refused_by_the_system_ = false;
  uint32_t pending_ = 0;
};

uint32_t last_id = 0;

template <typename Command>
void expect(const char* what, Outbox& outbox, Failing& transport, Command command) {
  const uint32_t id = ++last_id;
  transport.post(id, [&transport, id, command] { command(transport, id); });
  const auto completion = outbox.of(id, patience);
  std::printf("%s: %s %s\n", what, completion ? code_name(completion->code) : "no answer",
              completion ? completion->message.c_str() : "");
}

}  // namespace
}  // namespace kvferry

int main() {
  using namespace kvferry;
  using namespace std::chrono_literals;
  Outbox outbox;
  std::optional<Failing> transport(std::in_place, outbox);
  transport->start(0us);
  const auto begins = [](auto act) {
    return [act](Failing& failing, uint32_t id) {
      failing.require_working();
      act(failing, id);
    };
  };
  expect("open", outbox, *transport, begins([](Failing& failing, uint32_t id) { failing.open(id); }));
  expect("listen", outbox, *transport, begins([](Failing& failing, uint32_t id) { failing.listen(id, nullptr); }));
  transport->post(0, [&transport] { transport->stop(1, 1); });
  const uint32_t connecting = ++last_id;
  transport->post(connecting, [&transport, connecting] { transport->connect(connecting, "", "", {}); });
  expect("grant", outbox, *transport, begins([](Failing& failing, uint32_t id) { failing.grant(id); }));
  const auto torn_down = outbox.of(connecting, patience);
  std::printf("connect: %s\n", torn_down ? code_name(torn_down->code) : "no answer");
  expect("grant again", outbox, *transport, begins([](Failing& failing, uint32_t id) { failing.grant(id); }));
  expect("revoke", outbox, *transport, [](Failing& failing, uint32_t id) { failing.revoke(id, 1); });
  std::printf("failure: %s\n", transport->failure().c_str());
  std::thread other([&transport] { transport->shut_down(); });
  transport->shut_down();
  other.join();
  expect("after the end", outbox, *transport, [](Failing& failing, uint32_t id) { failing.revoke(id, 1); });
  transport.reset();
  return 0;
}
