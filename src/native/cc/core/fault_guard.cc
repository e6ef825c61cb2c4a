#include "core/fault_guard.h"

#include <signal.h>
#include <sys/mman.h>

#include <atomic>
#include <cstdint>
#include <mutex>

#include "core/failure.h"

namespace kvferry {
namespace {

// The signal handler reads these, so they are static, atomic and never freed. A slot is in use while `end` is not 0.
// `end` is written last when a slot is taken, and first when it is released.
struct Range {
  std::atomic<uintptr_t> start{0};
  std::atomic<uintptr_t> end{0};
  std::atomic<int> protection{0};
  std::atomic<uintptr_t> page_bytes{0};
  std::atomic<bool> damaged{false};
  std::atomic<uintptr_t> first{0};  // the lowest and the highest page that faulted
  std::atomic<uintptr_t> last{0};
};

Range ranges[FaultGuard::guards_max];
std::atomic<size_t> slots_used{0};  // highest slot ever taken, plus one
std::mutex ranges_mutex;
bool handler_installed = false;
struct sigaction previous_action;

Range* find_range(uintptr_t address) {
  const size_t used = slots_used.load(std::memory_order_acquire);
  for (size_t i = 0; i < used; i++) {
    const uintptr_t end = ranges[i].end.load(std::memory_order_acquire);
    if (end != 0 && address >= ranges[i].start.load(std::memory_order_relaxed) && address < end) return &ranges[i];
  }
  return nullptr;
}

void forward(int signal, siginfo_t* info, void* context) {
  if (previous_action.sa_flags & SA_SIGINFO) {
    previous_action.sa_sigaction(signal, info, context);
  } else if (previous_action.sa_handler != SIG_DFL && previous_action.sa_handler != SIG_IGN) {
    previous_action.sa_handler(signal);
  } else {
    // The faulting instruction runs again and ends the process, as without this handler.
    ::sigaction(SIGBUS, &previous_action, nullptr);
  }
}

// Several threads may fault at once.
void widen(Range& range, uintptr_t page) {
  uintptr_t first = range.first.load(std::memory_order_relaxed);
  while ((first == 0 || page < first) && !range.first.compare_exchange_weak(first, page)) {
  }
  uintptr_t last = range.last.load(std::memory_order_relaxed);
  while (page > last && !range.last.compare_exchange_weak(last, page)) {
  }
}

// mmap is not on POSIX's list of async-signal-safe functions, but on Linux it is a plain system call.
void on_bus_error(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  Range* range = info->si_code == BUS_ADRERR ? find_range(address) : nullptr;
  if (range == nullptr) {
    forward(signal, info, context);
    return;
  }
  const uintptr_t page_bytes = range->page_bytes.load(std::memory_order_relaxed);
  const uintptr_t start = address & ~(page_bytes - 1);
  widen(*range, start);
  range->damaged.store(true, std::memory_order_release);
  void* page = reinterpret_cast<void*>(start);
  const int protection = range->protection.load(std::memory_order_relaxed);
  void* zeros = ::mmap(page, page_bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (zeros == MAP_FAILED) forward(signal, info, context);
}

// Installed once and never removed, because another library may have chained to it.
void install_handler() {
  if (handler_installed) return;
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(SIGBUS, &action, &previous_action) != 0) {
    throw Failure(Code::internal, "cannot install the SIGBUS handler");
  }
  handler_installed = true;
}

}  // namespace

FaultGuard::FaultGuard(const void* start, size_t bytes, int protection, size_t page_bytes) : slot_(0) {
  std::lock_guard lock(ranges_mutex);
  install_handler();
  while (slot_ < guards_max && ranges[slot_].end.load(std::memory_order_relaxed) != 0) slot_++;
  if (slot_ == guards_max) {
    throw Failure(Code::segment_invalid, "this process maps more than " + std::to_string(guards_max) + " segments");
  }
  Range& range = ranges[slot_];
  range.damaged.store(false, std::memory_order_relaxed);
  range.first.store(0, std::memory_order_relaxed);
  range.last.store(0, std::memory_order_relaxed);
  range.protection.store(protection, std::memory_order_relaxed);
  range.page_bytes.store(page_bytes, std::memory_order_relaxed);
  range.start.store(reinterpret_cast<uintptr_t>(start), std::memory_order_relaxed);
  range.end.store(reinterpret_cast<uintptr_t>(start) + bytes, std::memory_order_release);
  if (slot_ >= slots_used.load(std::memory_order_relaxed)) slots_used.store(slot_ + 1, std::memory_order_release);
}

FaultGuard::~FaultGuard() {
  std::lock_guard lock(ranges_mutex);
  ranges[slot_].end.store(0, std::memory_order_release);
}

bool FaultGuard::damaged() const { return ranges[slot_].damaged.load(std::memory_order_acquire); }

FaultGuard::Damage FaultGuard::damage() const {
  const Range& range = ranges[slot_];
  const uintptr_t first = range.first.load(std::memory_order_acquire);
  const uintptr_t end =
      range.last.load(std::memory_order_acquire) + range.page_bytes.load(std::memory_order_relaxed);
  return {first - range.start.load(std::memory_order_relaxed), end - first};
}

}  // namespace kvferry
