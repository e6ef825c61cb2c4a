#include "same_host/transport.h"

#include <optional>

#include "same_host/receiver.h"
#include "same_host/sender.h"

namespace kvferry {
namespace {

// The poller's tag of the listening socket. Peers have the tags after it.
constexpr uint64_t listen_tag = 0;

class SameHostTransport final : public Transport {
 public:
  SameHostTransport(napi_env env, Outbox& outbox, WriteLimits limits, same_host::Options options)
      : Transport(outbox), sender_(env, outbox, limits, options), options_(std::move(options)) {}
  ~SameHostTransport() override { shut_down(); }

  void open(uint32_t id) override { outbox_.put({.id = id, .text = same_host::boot_id()}); }

  void listen(uint32_t id, std::shared_ptr<Arena> arena) override {
    receiver_.emplace(poller_, std::move(arena), options_, listen_tag);
    outbox_.put({.id = id, .text = receiver_->address()});
  }

  void grant(uint32_t id) override {
    if (!receiver_) throw Failure(Code::provider_unavailable, "this fabric has no arena to grant");
    std::string token;
    const uint64_t handle = receiver_->grant(token);
    outbox_.put({.id = id, .handle = handle, .text = std::move(token)});
  }

  void revoke(uint32_t id, uint64_t grant) override {
    if (receiver_) receiver_->revoke(grant);
    revoking_.push_back({id, grant});
    answer_revocations();
  }

  void post_to_sender(uint32_t refuse_id, std::function<void()> command) override {
    if (sender_.closed()) {
      refuse(refuse_id);
    } else {
      run_command(refuse_id, command);
    }
  }

  void leave_loop() override { sender_.close(); }

  void connect(uint32_t id, std::string address, std::string token, Clock::time_point deadline) override {
    sender_.connect(id, address, token, deadline);
  }

  void write(uint32_t id, uint64_t connection, std::vector<WriteItem> items) override {
    sender_.write(id, connection, std::move(items));
  }

  void stop(uint64_t connection, uint32_t write) override { sender_.stop(connection, write); }

  void disconnect(uint32_t id, uint64_t connection) override {
    sender_.disconnect(connection);
    answer(id);
  }

  void forget(const std::shared_ptr<Segment>& segment) override { sender_.forget(segment.get()); }

 protected:
  bool progress() override {
    if (!receiver_) return false;
    for (const Poller::Ready& ready : poller_.poll_now()) {
      if (ready.tag == listen_tag) {
        receiver_->accept(++last_tag_);
      } else {
        receiver_->ready(ready.tag);
      }
    }
    const bool more = receiver_->progress();
    answer_revocations();
    return more;
  }

  bool busy() const override { return false; }
  Deadline deadline() const override { return receiver_ ? receiver_->deadline() : std::nullopt; }
  void tear_down() override {
    if (receiver_) receiver_->finish();
    answer_revocations();
    receiver_.reset();
  }

 private:
  struct Revocation {
    uint32_t id;
    uint64_t grant;
  };

  // Those that need not wait for copies.
  void answer_revocations() {
    std::erase_if(revoking_, [this](const Revocation& revocation) {
      if (receiver_ && receiver_->copies_under(revocation.grant)) return false;
      if (receiver_ && receiver_->copies_lost_under(revocation.grant)) {
        answer_failure(revocation.id, Code::fabric_error,
                       "a CUDA device failed while it copied under this grant: the copies may still land");
      } else {
        answer(revocation.id);
      }
      return true;
    });
  }

  // Belongs to the JavaScript thread.
  same_host::Sender sender_;

  const same_host::Options options_;
  std::optional<same_host::Receiver> receiver_;
  uint64_t last_tag_ = listen_tag;
  std::vector<Revocation> revoking_;
};

}  // namespace

std::unique_ptr<Transport> make_same_host_transport(napi_env env, Outbox& outbox, WriteLimits limits,
                                                    const same_host::Options& options) {
  return std::make_unique<SameHostTransport>(env, outbox, limits, options);
}

}  // namespace kvferry
