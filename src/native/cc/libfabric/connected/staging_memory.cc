#include "libfabric/connected/staging_memory.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <exception>
#include <utility>

#include "core/failure.h"

namespace kvferry::connected {

StagingMemory::StagingMemory(LibfabricDomain& domain, Workshop& workshop, size_t bytes)
    : domain_(domain), workshop_(workshop), staging_(bytes), self_(std::make_shared<StagingMemory*>(this)) {}

StagingMemory::~StagingMemory() {
  *self_ = nullptr;
  forget_registration();
}

bool StagingMemory::ready() {
  if (registration_.handle) return true;
  if (!failure_.empty()) throw Failure(Code::fabric_error, std::exchange(failure_, {}));
  if (!registering_) begin_to_register();
  return false;
}

void StagingMemory::begin_to_register() {
  registering_ = true;
  const auto result = std::make_shared<Registered>();
  workshop_.run([&domain = domain_, self = self_, memory = staging_.data(), bytes = staging_.bytes(), result] {
    try {
      result->registration = domain.register_memory(memory, bytes, FI_WRITE | FI_READ, nullptr);
    } catch (const std::exception& error) {
      result->failure = error.what();
    }
    return Workshop::Then([self, result] {
      if (*self == nullptr) return;
      (*self)->registering_ = false;
      (*self)->registration_ = std::move(result->registration);
      (*self)->failure_ = result->failure;
      (*self)->staging_.keep_pages();
    });
  });
}

void StagingMemory::forget_registration() {
  if (!registration_.handle) return;
  const auto registration = std::make_shared<Registration>(std::move(registration_));
  try {
    workshop_.run([registration] {
      registration->handle.reset();
      return Workshop::Then([] {});
    });
  } catch (const std::exception&) {
    // There is no thread for it, so it ends here and now.
  }
}

void* StagingMemory::description() const {
  return registration_.handle ? ::fi_mr_desc(registration_.handle.get()) : nullptr;
}

void StagingMemory::give_back_when_idle() {
  if (!staging_.is_due()) return;
  forget_registration();
  staging_.give_pages_back();
}

}  // namespace kvferry::connected

#endif
