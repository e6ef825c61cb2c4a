// A file that is the source of writes. Mostly it is another process's; the agent also has some of its own, to lend to
// engines.
//
// The file's owner may shrink it at any time, unless it is sealed. Whoever reads it asks `intact` before and after.
//
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "core/memory_file.h"
#include "core/unique_fd.h"

namespace kvferry {

class Segment {
 public:
  // Throws Failure(segment_not_found | segment_invalid).
  static std::shared_ptr<Segment> open(const std::string& path);
  // Makes the file; it is removed with the segment. Throws Failure(arena_unavailable | segment_invalid).
  static std::shared_ptr<Segment> create(const std::string& path, size_t bytes);
  // Takes a descriptor that another process passed to us. Throws Failure(segment_invalid).
  explicit Segment(UniqueFd fd, std::unique_ptr<MemoryFile> own = nullptr);

  int fd() const { return fd_.get(); }
  // When it was attached.
  size_t bytes() const { return bytes_; }
  bool contains(uint64_t offset, uint64_t length) const;
  // Does the file still reach to `end`?
  bool intact(uint64_t end) const;
  // Has its owner made sure, with F_SEAL_SHRINK, that it never shrinks?
  bool sealed() const { return sealed_; }

 private:
  const std::unique_ptr<MemoryFile> own_;
  const UniqueFd fd_;
  size_t bytes_ = 0;
  bool sealed_ = false;
};

}  // namespace kvferry
