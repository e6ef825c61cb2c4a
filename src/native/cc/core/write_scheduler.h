// The writes of a connection: what is posted, and what must still be posted.
//
// Writes are cut into slices. A window limits the bytes that are posted and not complete, because unlimited posting
// makes TCP collapse and makes `stop` slow. Writes take turns slice by slice, so that a long write does not delay a
// short one. A write is reported when no slice of it is outstanding and no more will be posted.
//
// A strided item stays one item. A slice of it is whole pieces, or a part of one piece.
//
// Belongs to the thread of its connection's transport.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/outbox.h"
#include "core/segment.h"
#include "core/source_range.h"

namespace kvferry {

struct WriteItem {
  std::shared_ptr<Segment> segment;
  SourceRange source;
  uint64_t target_offset;
};

// Pieces of one slice, so that no slice takes long.
constexpr uint64_t slice_pieces_max = 1024;

struct WriteLimits {
  uint64_t window_bytes;
  uint64_t slice_bytes;
  // Whether the provider reads segments on devices.
  bool reads_devices = false;
};

struct Slice {
  uint32_t write;
  Segment* segment;  // kept alive by the write
  SourceRange source;
  uint64_t target_offset;

  uint64_t length() const { return source.length; }
};

class WriteScheduler {
 public:
  // What happens to the report of a write that has ended.
  using Ended = std::function<void(Completion)>;

  WriteScheduler(Ended ended, WriteLimits limits) : ended_(std::move(ended)), limits_(limits) {}
  // Reports go to the outbox at once.
  WriteScheduler(Outbox& outbox, WriteLimits limits)
      : WriteScheduler([&outbox](Completion completion) { outbox.put(std::move(completion)); }, limits) {}

  // Sets the size of the target as soon as it is known. Items beyond it are rejected without posting.
  void set_target_bytes(uint64_t bytes) { target_bytes_ = bytes; }

  void add(uint32_t id, std::vector<WriteItem> items);
  void stop(uint32_t id);

  // The slice whose turn it is, if the window has room. Checks it against its segment: a write whose segment is not
  // intact fails here.
  std::optional<Slice> next();
  // The slice that `next` returned was posted under this ticket. Returns whether it was the last one of its write.
  bool posted(const Slice& slice, uint64_t ticket);
  // The slice that `next` returned can never be posted.
  void refused(const Slice& slice, Code code, const std::string& message);

  void delivered(uint64_t ticket);
  // `landed_unknown`: bytes of the slice may still land.
  void failed(uint64_t ticket, Code code, const std::string& message, bool landed_unknown);
  // Ends every write and gives up the outstanding slices. `landed_unknown`: their bytes may still land.
  void fail_all(Code code, const std::string& message, bool landed_unknown);

  bool has_outstanding() const { return !outstanding_.empty(); }
  bool idle() const { return writes_.empty(); }

 private:
  struct Write {
    uint32_t id;
    std::vector<WriteItem> items;
    size_t item = 0;      // the item to post from next
    uint64_t within = 0;  // bytes of that item that were posted
    size_t outstanding = 0;
    uint64_t delivered_bytes = 0;
    bool stopped = false;
    bool drained = true;
    Code code = Code::ok;
    std::string message;
    uint32_t segment = 0;  // the segment that could not be read; 0: none

    bool has_more() const { return code == Code::ok && !stopped && item < items.size(); }
  };
  struct Outstanding {
    uint32_t write;
    Segment* segment;
    uint64_t source_end;
    uint64_t length;
  };

  Slice slice_of(const Write& write) const;
  SourceRange range_of(const SourceRange& item, uint64_t within) const;
  void advance(Write& write, uint64_t length);
  std::optional<Completion> invalid(uint32_t id, const std::vector<WriteItem>& items) const;
  // `segment`: the segment that could not be read, or null.
  void fail(Write& write, Code code, const std::string& message, const Segment* segment);
  void report_if_ended(uint32_t id);
  Outstanding take(uint64_t ticket);

  const Ended ended_;
  const WriteLimits limits_;
  uint64_t target_bytes_ = 0;
  std::unordered_map<uint32_t, Write> writes_;
  std::deque<uint32_t> turns_;  // writes with slices left to post; ended writes are skipped
  std::unordered_map<uint64_t, Outstanding> outstanding_;
  uint64_t outstanding_bytes_ = 0;
};

}  // namespace kvferry
