// Buffers that stand between a segment and a provider that reads memory with system calls.
//
// Such a provider must not be given the mapping of a file that may shrink: if it does while the provider sends, the
// system call fails in the middle of a message, libfabric goes on with the next one, and the receiver takes bytes for
// headers (seen with libfabric 1.17: it crashed). What is copied to a buffer first is all there or is never sent.
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

  // The buffer used last comes first: it may still be in the cache.
  uint8_t* take();
  // Gives back what was taken and not lent.
  void give_back(uint8_t* buffer);
  // The provider reads it until the operation of this ticket has ended.
  void lend(uint8_t* buffer, uint64_t ticket) { lent_.emplace(ticket, buffer); }
  void ended(uint64_t ticket);

 private:
  const size_t buffer_bytes_;
  std::vector<std::unique_ptr<uint8_t[]>> buffers_;  // all of them
  std::vector<uint8_t*> free_;
  std::unordered_map<uint64_t, uint8_t*> lent_;
};

}  // namespace kvferry
