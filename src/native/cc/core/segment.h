// A file in memory that is the source of writes. Most segments belong to another process. The agent also creates some itself and
// lends them to engines. A segment may also be memory of a device: this process only knows its description.
//
// The file's owner may shrink it at any time, unless it is sealed. A reader of a mapping must check `intact` before and
// after reading.
//
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/device_memory.h"
#include "core/memory_file.h"
#include "core/source_range.h"
#include "core/unique_fd.h"

namespace kvferry {

// The text of a failure to read a file that is shorter than it was.
inline constexpr const char* segment_shrank = "the source file was made smaller";
// The text of a failure to read these bytes of a segment whose file is as long as it was.
std::string no_memory_behind(uint64_t offset, uint64_t length);

struct FileIdentity {
  // Device and inode: the same ones are the same file.
  std::string file;
  uint64_t bytes = 0;
};
// Throws Failure(segment_invalid).
FileIdentity identity_of(int fd);

class Segment : public std::enable_shared_from_this<Segment> {
 public:
  // Creates the file and removes it with the segment. Throws Failure(arena_unavailable | segment_invalid).
  static std::shared_ptr<Segment> create(const std::string& path, size_t bytes, int numa_node);
  // Takes the descriptor of a file, which another process perhaps passed to us. Throws Failure(segment_invalid).
  explicit Segment(UniqueFd fd, std::unique_ptr<MemoryFile> own = nullptr);
  explicit Segment(const DeviceMemory& device) : bytes_(device.bytes), device_(device) {}

  // The description of memory of a device; null: a file.
  const DeviceMemory* device() const { return device_ ? &*device_ : nullptr; }
  // Only for a file.
  int fd() const { return fd_.get(); }
  // The size of the file when it was attached.
  size_t bytes() const { return bytes_; }
  // The size of the pages in which its mapping loses memory.
  size_t page_bytes() const { return page_bytes_; }
  // Whether the file still reaches to `end`.
  bool intact(uint64_t end) const;
  // Copies bytes that the file holds now to `to`, piece behind piece. Throws Failure(segment_invalid) when it does not
  // reach so far.
  void read(const SourceRange& range, uint8_t* to) const;
  // The number by which JavaScript knows the segment. Set once, before any thread sees the segment.
  uint32_t handle() const { return handle_; }
  void set_handle(uint32_t handle) { handle_ = handle; }

 private:
  const std::unique_ptr<MemoryFile> own_;
  const UniqueFd fd_;
  size_t bytes_ = 0;
  size_t page_bytes_ = 0;
  bool sealed_ = false;  // with F_SEAL_SHRINK, so that it never shrinks
  const std::optional<DeviceMemory> device_;
  uint32_t handle_ = 0;
};

}  // namespace kvferry
