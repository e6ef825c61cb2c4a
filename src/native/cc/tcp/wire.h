// Carries the bytes of one stream: in clear, or encrypted. Never blocks.
//
// Each attempt returns the number of bytes that it moved, 0 at the end (of the stream, or of the file), or a negative
// errno. -EAGAIN: not now.
//
// Belongs to the thread of its transport.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <utility>

#include "core/unique_fd.h"

namespace kvferry::tcp {

class Wire {
 public:
  explicit Wire(UniqueFd fd) : fd_(std::move(fd)) {}
  virtual ~Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  int fd() const { return fd_.get(); }
  // What both ends do before the first byte. Returns 0 when it is done.
  virtual int establish() = 0;
  // Whether `establish` waits until the socket is writable, and not until it is readable.
  virtual bool establishes_by_writing() const = 0;
  // `more`: others follow at once.
  virtual ssize_t send(const uint8_t* bytes, size_t length, bool more) = 0;
  // Sends from a file without a copy in this process. -EOPNOTSUPP: this wire, or this file, needs a copy.
  virtual ssize_t send_file(int file, uint64_t offset, size_t length) = 0;
  // Fills `first`, then `second`.
  struct Space {
    uint8_t* bytes;
    size_t length;
  };
  virtual ssize_t receive(Space first, Space second) = 0;
  // Receives and forgets.
  virtual ssize_t discard(size_t length) = 0;
  // So many bytes will surely come, or the stream ends. The poller need not report the socket as readable for a few of
  // them. Only advice.
  virtual void wait_for(uint64_t bytes) = 0;
  // Sends no more. What was sent still arrives.
  virtual void finish() = 0;

 protected:
  // The poller reports the socket as readable from so many bytes on, within limits.
  void wake_at(uint64_t bytes);

 private:
  const UniqueFd fd_;
  int wake_at_ = 1;
};

// A stream in clear.
class PlainWire final : public Wire {
 public:
  using Wire::Wire;

  int establish() override { return 0; }
  bool establishes_by_writing() const override { return false; }
  ssize_t send(const uint8_t* bytes, size_t length, bool more) override;
  ssize_t send_file(int file, uint64_t offset, size_t length) override;
  ssize_t receive(Space first, Space second) override;
  ssize_t discard(size_t length) override;
  void wait_for(uint64_t bytes) override;
  void finish() override;
};

}  // namespace kvferry::tcp
