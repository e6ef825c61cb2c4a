// The staging memory of a connection, registered with the device.
//
// A device pins what is registered. So a connection that has not written for a while gives it back, and it is registered
// again before the next write. Both happen on a thread of the workshop.
//
// Belongs to the thread of its transport.
#pragma once

#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <memory>
#include <string>

#include "core/poller.h"
#include "core/staging.h"
#include "core/workshop.h"

namespace kvferry::connected {

class StagingMemory {
 public:
  // Throws Failure(fabric_error).
  StagingMemory(LibfabricDomain& domain, Workshop& workshop, size_t bytes);
  ~StagingMemory();

  // Whether pieces can be taken. If not, it becomes so; the workshop wakes the thread. Throws Failure(fabric_error) when
  // the memory cannot be registered.
  bool ready();
  bool empty() const { return staging_.empty(); }
  // As of Staging.
  uint8_t* take(size_t bytes, uint64_t ticket) { return staging_.take(bytes, ticket); }
  void ended(uint64_t ticket) { staging_.ended(ticket); }
  // For the provider.
  void* description() const;

  void give_back_when_idle();
  // When `give_back_when_idle` has something to do.
  Deadline deadline() const { return staging_.deadline(); }

 private:
  struct Registered {
    Registration registration;
    std::string failure;
  };

  void begin_to_register();
  void forget_registration();

  LibfabricDomain& domain_;
  Workshop& workshop_;
  Staging staging_;
  Registration registration_;
  bool registering_ = false;
  std::string failure_;
  // Null after the end of this object, for tasks that end later.
  const std::shared_ptr<StagingMemory*> self_;
};

}  // namespace kvferry::connected

#endif
