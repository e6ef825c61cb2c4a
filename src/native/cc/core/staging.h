// The memory between a segment and a provider that reads memory by itself: a network card, or libfabric's system calls.
//
// Such a provider must not read the mapping of a file that may change under it. A card sends the pages that it pinned,
// also when the file has other pages by then. A system call fails in the middle of a message when the file shrinks, and
// libfabric continues with the next message (libfabric 1.17 crashed). A slice that is copied here first is what the file
// holds now, and is sent whole or not at all.
//
// It is a ring: pieces are taken in turn and fall free in the same order. Its size is the connection's window, so
// nothing can take more. When every piece is free, the next one begins at the start, which is perhaps still in the
// cache. The kernel gives pages when they are first used. When no piece has been taken for a while, the owner gives them back.
//
// Belongs to the thread of its connection's transport.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "core/own_pages.h"
#include "core/poller.h"

namespace kvferry {

class Staging {
 public:
  // Throws Failure(fabric_error).
  explicit Staging(size_t bytes);

  uint8_t* data() const { return memory_.data(); }
  size_t bytes() const { return memory_.bytes(); }
  // Nobody reads any piece.
  bool empty() const { return pieces_.empty(); }

  // Memory for the operation of this ticket; nullptr when there is no room until others have ended. An empty ring has
  // room for every piece that is not larger than the ring.
  uint8_t* take(size_t length, uint64_t ticket);
  // The operation has ended, or was never begun. Ignores a ticket without a piece.
  void ended(uint64_t ticket);
  // The time to give the pages back; nothing while a piece is taken, and after they were given back.
  Deadline deadline() const { return empty() ? give_back_at_ : std::nullopt; }
  bool is_due() const { return deadline() && Clock::now() >= *give_back_at_; }
  // The pages are kept for a while from now on, although no piece is taken.
  void keep_pages();
  // Gives the pages back to the kernel. Only when it is empty.
  void give_pages_back();

 private:
  struct Piece {
    uint64_t ticket;
    size_t begin;
    size_t end;
    bool ended;
  };

  OwnPages memory_;
  std::deque<Piece> pieces_;  // in the order in which they were taken
  Deadline give_back_at_;     // while no piece is taken
};

}  // namespace kvferry
