// One CUDA device with its primary context, which stays as long as the process: making one takes about half a second.
//
// An error of the context is for good: every later call fails. Then the device is lost for this process, and `fault` says
// why.
//
// Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>

#include "core/failure.h"
#include "cuda/driver.h"

namespace kvferry::cuda {

class Device {
 public:
  // Finds the device by its UUID, and makes its context the first time. Blocks. Throws Failure(provider_unavailable).
  static Device& of(const std::array<uint8_t, uuid_bytes>& uuid);
  // One that this process uses, by its number.
  static Device& at(Ordinal ordinal);
  // Why a device that this process uses is lost; empty when none is.
  static std::string any_fault();

  Device(Ordinal ordinal, Context context, std::string name);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Driver& driver() const { return driver_; }
  Ordinal ordinal() const { return ordinal_; }
  // Largest distance of pieces that one copy takes.
  uint64_t pitch_max() const { return pitch_max_; }
  // The calls of this thread are for this device from now on. Throws Failure(fabric_error) when the device is lost.
  void enter() const;
  Result try_enter() const { return driver_.context_set(context_); }
  // Throws Failure(code) unless the call succeeded.
  void require(Result result, const std::string& what, Code code) const;
  void lose(Result result);
  std::string fault() const;
  // The error for which the device is lost; `success`: it is not.
  Result lost_by() const;

 private:
  const Driver& driver_ = Driver::get();
  const Ordinal ordinal_;
  const Context context_;
  const std::string name_;
  uint64_t pitch_max_ = 0;

  std::atomic<Result> lost_by_{success};
};

}  // namespace kvferry::cuda
