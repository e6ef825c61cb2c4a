#include "core/completion_queue.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <algorithm>

#include "core/failure.h"

namespace kvferry {
namespace {

void require(int result, const char* what) {
  if (result == 0) return;
  throw Failure(Code::fabric_error, std::string(what) + ": " + LibfabricLibrary::get().strerror(-result));
}

}  // namespace

bool OpenQueues::contains(const fid_cq* queue) const {
  return std::find(queues_.begin(), queues_.end(), queue) != queues_.end();
}

CompletionQueue::CompletionQueue(OpenQueues& open, fid_domain* domain, size_t entries, Waiting waiting)
    : open_(open) {
  fi_cq_attr attributes = {};
  attributes.size = entries;
  attributes.format = FI_CQ_FORMAT_CONTEXT;
  attributes.wait_obj = waiting.object;
  attributes.wait_set = waiting.set;
  fid_cq* queue = nullptr;
  require(::fi_cq_open(domain, &attributes, &queue, nullptr), "fi_cq_open");
  queue_.reset(queue);
  if (waiting.object != FI_WAIT_NONE) {
    require(::fi_control(&queue->fid, FI_GETWAIT, &wait_fd_), "FI_GETWAIT");
    open_.poller_.add(wait_fd_, any_queue_tag);
  }
  open_.queues_.push_back(queue);
}

CompletionQueue::~CompletionQueue() {
  std::erase(open_.queues_, queue_.get());
  if (wait_fd_ >= 0) open_.poller_.remove(wait_fd_);
}

}  // namespace kvferry

#endif
