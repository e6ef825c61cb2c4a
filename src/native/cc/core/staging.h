// Buffers between a segment and a provider that reads memory with system calls.
//
// Such a provider must not read the mapping of a file that may shrink. If the file shrinks while the provider sends,
// the system call fails in the middle of a message. libfabric then continues with the next message, and the receiver
// takes bytes for headers (libfabric 1.17 crashed). A slice that is copied to a buffer first is sent whole or not at
// all.
//
// Belongs to the thread of its connection's transport.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

namespace kvferry {

class Staging {
 public:
  explicit Staging(size_t buffer_bytes) : buffer_bytes_(buffer_bytes) {}

  // Takes the buffer that was used last, because it may still be in the cache.
  uint8_t* take();
  // Returns a buffer that was taken and not lent.
  void give_back(uint8_t* buffer);
  // The provider reads the buffer until the operation of this ticket has ended.
  void lend(uint8_t* buffer, uint64_t ticket) { lent_.emplace(ticket, buffer); }
  void ended(uint64_t ticket);

 private:
  const size_t buffer_bytes_;
  std::vector<std::unique_ptr<uint8_t[]>> buffers_;  // every buffer, free or not
  std::vector<uint8_t*> free_;
  std::unordered_map<uint64_t, uint8_t*> lent_;
};

}  // namespace kvferry
