// libfabric completion queues, and the set of open ones.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/handles.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <cstdint>
#include <vector>

#include "core/poller.h"

namespace kvferry {

class CompletionQueue;

// The queues that the transport reads and waits for.
class OpenQueues {
 public:
  explicit OpenQueues(Poller& poller) : poller_(poller) {}

  const std::vector<fid_cq*>& all() const { return queues_; }
  bool contains(const fid_cq* queue) const;

 private:
  friend class CompletionQueue;

  Poller& poller_;
  std::vector<fid_cq*> queues_;
};

class CompletionQueue {
 public:
  // The transport looks at everything after each wake-up, so the poller's tag need not say what woke it.
  static constexpr uint64_t any_queue_tag = 0;

  // How a thread waits for a completion.
  struct Waiting {
    fi_wait_obj object = FI_WAIT_FD;  // FI_WAIT_NONE: it reads the queue again and again
    fid_wait* set = nullptr;          // of FI_WAIT_SET
  };
  // Throws Failure(fabric_error).
  CompletionQueue(OpenQueues& open, fid_domain* domain, size_t entries, Waiting waiting);
  ~CompletionQueue();
  CompletionQueue(const CompletionQueue&) = delete;
  CompletionQueue& operator=(const CompletionQueue&) = delete;

  fid_cq* get() const { return queue_.get(); }

 private:
  OpenQueues& open_;
  Handle<fid_cq> queue_;
  // Becomes readable when the queue has work to progress. -1: there is none.
  int wait_fd_ = -1;
};

}  // namespace kvferry

#endif
