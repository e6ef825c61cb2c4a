// A file that is the source of writes, mapped read only. Mostly it is another process's; the agent also has some of its
// own, to lend to engines.
//
// The file's owner may shrink it at any time. `intact` asks the kernel before a range is used and again after, and the
// guard keeps a read in between from ending the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fault_guard.h"
#include "mapping.h"
#include "memory_file.h"
#include "unique_fd.h"

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
  const uint8_t* data() const { return mapping_.data(); }
  size_t bytes() const { return mapping_.bytes(); }
  bool contains(uint64_t offset, uint64_t length) const;
  // Does the file still reach to `end`, and has no read of it failed so far?
  bool intact(uint64_t end) const;
  // Maps the pages of the range, if that was not done before. Only the thread that reads the segment calls it.
  void prefault(uint64_t offset, uint64_t length);

 private:
  const std::unique_ptr<MemoryFile> own_;
  UniqueFd fd_;
  Mapping mapping_;
  std::optional<FaultGuard> guard_;
  std::vector<bool> faulted_;
};

}  // namespace kvferry
