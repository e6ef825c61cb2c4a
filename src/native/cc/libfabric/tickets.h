// The numbers of a connection's operations. The completion of an operation brings its ticket back.
#pragma once

#include <cstdint>

namespace kvferry {

class Tickets {
 public:
  explicit Tickets(uint32_t connection) : connection_(connection) {}
  uint64_t next() { return static_cast<uint64_t>(connection_) << sequence_bits | ++last_sequence_; }
  static uint64_t connection_of(uint64_t ticket) { return ticket >> sequence_bits; }

 private:
  static constexpr unsigned sequence_bits = 32;

  const uint32_t connection_;
  uint32_t last_sequence_ = 0;
};

}  // namespace kvferry
