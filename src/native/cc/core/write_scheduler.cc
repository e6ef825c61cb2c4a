#include "core/write_scheduler.h"

#include <algorithm>

namespace kvferry {
namespace {

// Limits how much of a provider's queues one connection may occupy with small items.
constexpr size_t slices_outstanding_max = 128;

std::string describe(const SourceRange& source) {
  const std::string start = std::to_string(source.offset) + "+" + std::to_string(source.length);
  if (source.is_one()) return start;
  return start + " in pieces of " + std::to_string(source.piece_bytes) + " bytes every " +
         std::to_string(source.stride) + " bytes";
}

}  // namespace

std::optional<Completion> WriteScheduler::invalid(uint32_t id, const std::vector<WriteItem>& items) const {
  Completion completion;
  completion.id = id;
  for (const WriteItem& item : items) {
    const SourceRange& source = item.source;
    if (item.segment->device() != nullptr && !limits_.reads_devices) {
      completion.code = Code::segment_invalid;
      completion.handle = item.segment->handle();
      completion.message =
          "it is on a CUDA device, which only same-host reads: choose a receiver on this host, or copy the bytes to a file in "
          "memory";
      return completion;
    }
    if (!source.within(item.segment->bytes())) {
      completion.code = Code::segment_invalid;
      completion.handle = item.segment->handle();
      completion.message = "source range " + describe(source) + " is outside the source segment of " +
                           std::to_string(item.segment->bytes()) + " bytes";
      return completion;
    }
    if (item.target_offset > target_bytes_ || source.length > target_bytes_ - item.target_offset) {
      completion.code = Code::write_rejected;
      completion.message = "target range " + std::to_string(item.target_offset) + "+" + std::to_string(source.length) +
                           " is outside the arena of " + std::to_string(target_bytes_) + " bytes";
      return completion;
    }
  }
  return std::nullopt;
}

void WriteScheduler::add(uint32_t id, std::vector<WriteItem> items) {
  if (auto completion = invalid(id, items)) {
    ended_(std::move(*completion));
    return;
  }
  std::erase_if(items, [](const WriteItem& item) { return item.source.length == 0; });
  Write write;
  write.id = id;
  write.items = std::move(items);
  writes_.emplace(id, std::move(write));
  turns_.push_back(id);
  report_if_ended(id);
}

void WriteScheduler::stop(uint32_t id) {
  const auto found = writes_.find(id);
  if (found == writes_.end()) return;
  Write& write = found->second;
  if (write.has_more()) write.stopped = true;
  report_if_ended(id);
}

std::optional<Slice> WriteScheduler::next() {
  while (!turns_.empty() && outstanding_.size() < slices_outstanding_max) {
    const uint32_t id = turns_.front();
    const auto found = writes_.find(id);
    if (found == writes_.end() || !found->second.has_more()) {
      turns_.pop_front();
      continue;
    }
    Write& write = found->second;
    const Slice slice = slice_of(write);
    // A slice larger than the window is posted alone.
    if (outstanding_bytes_ > 0 && outstanding_bytes_ + slice.length() > limits_.window_bytes) return std::nullopt;
    if (!slice.segment->intact(slice.source.end())) {
      turns_.pop_front();
      fail(write, Code::segment_invalid, segment_shrank, slice.segment);
      report_if_ended(id);
      continue;
    }
    return slice;
  }
  return std::nullopt;
}

// Merges items that are adjacent on both sides into one slice.
Slice WriteScheduler::slice_of(const Write& write) const {
  const WriteItem& first = write.items[write.item];
  Slice slice = {write.id, first.segment.get(), range_of(first.source, write.within),
                 first.target_offset + write.within};
  if (!first.source.is_one()) return slice;
  uint64_t length = slice.length();
  for (size_t i = write.item + 1; i < write.items.size() && length < limits_.slice_bytes; i++) {
    const WriteItem& item = write.items[i];
    const bool adjacent = item.segment.get() == slice.segment && item.source.is_one() &&
                          item.source.offset == slice.source.offset + length &&
                          item.target_offset == slice.target_offset + length;
    if (!adjacent) break;
    length += std::min(item.source.length, limits_.slice_bytes - length);
  }
  slice.source = SourceRange::of_one(slice.source.offset, length);
  return slice;
}

// What comes next of an item of which `within` bytes were posted.
SourceRange WriteScheduler::range_of(const SourceRange& item, uint64_t within) const {
  const uint64_t left = item.left_in_piece(within);
  if (item.piece_bytes > limits_.slice_bytes || left < item.piece_bytes || item.is_one()) {
    return SourceRange::of_one(item.at(within), std::min(left, limits_.slice_bytes));
  }
  const uint64_t fit = std::min(limits_.slice_bytes / item.piece_bytes, slice_pieces_max);
  const uint64_t pieces = std::min(fit, (item.length - within) / item.piece_bytes);
  return {item.at(within), pieces * item.piece_bytes, item.piece_bytes, item.stride};
}

void WriteScheduler::advance(Write& write, uint64_t length) {
  write.within += length;
  while (write.item < write.items.size() && write.within >= write.items[write.item].source.length) {
    write.within -= write.items[write.item].source.length;
    write.item++;
  }
}

bool WriteScheduler::posted(const Slice& slice, uint64_t ticket) {
  Write& write = writes_.at(slice.write);
  advance(write, slice.length());
  write.outstanding++;
  outstanding_bytes_ += slice.length();
  outstanding_.emplace(ticket, Outstanding{slice.write, slice.segment, slice.source.end(), slice.length()});
  turns_.pop_front();
  if (write.has_more()) turns_.push_back(slice.write);
  return !write.has_more();
}

void WriteScheduler::refused(const Slice& slice, Code code, const std::string& message) {
  fail(writes_.at(slice.write), code, message, slice.segment);
  turns_.pop_front();
  report_if_ended(slice.write);
}

WriteScheduler::Outstanding WriteScheduler::take(uint64_t ticket) {
  const auto found = outstanding_.find(ticket);
  const Outstanding outstanding = found->second;
  outstanding_.erase(found);
  outstanding_bytes_ -= outstanding.length;
  writes_.at(outstanding.write).outstanding--;
  return outstanding;
}

void WriteScheduler::delivered(uint64_t ticket) {
  if (!outstanding_.contains(ticket)) return;
  const Outstanding slice = take(ticket);
  Write& write = writes_.at(slice.write);
  if (slice.segment->intact(slice.source_end)) {
    write.delivered_bytes += slice.length;
  } else {
    fail(write, Code::segment_invalid, segment_shrank, slice.segment);
  }
  report_if_ended(slice.write);
}

void WriteScheduler::failed(uint64_t ticket, Code code, const std::string& message, bool landed_unknown) {
  if (!outstanding_.contains(ticket)) return;
  const Outstanding slice = take(ticket);
  Write& write = writes_.at(slice.write);
  if (landed_unknown) write.drained = false;
  fail(write, code, message, slice.segment);
  report_if_ended(slice.write);
}

void WriteScheduler::fail_all(Code code, const std::string& message, bool landed_unknown) {
  std::vector<uint64_t> tickets;
  for (const auto& [ticket, slice] : outstanding_) tickets.push_back(ticket);
  for (const uint64_t ticket : tickets) {
    const Outstanding slice = take(ticket);
    Write& write = writes_.at(slice.write);
    if (landed_unknown) write.drained = false;
    // A source that vanished is a common cause of a broken connection, and explains the failure better.
    if (!slice.segment->intact(slice.source_end)) fail(write, Code::segment_invalid, segment_shrank, slice.segment);
  }
  turns_.clear();
  std::vector<uint32_t> ids;
  for (const auto& [id, write] : writes_) ids.push_back(id);
  for (const uint32_t id : ids) {
    fail(writes_.at(id), code, message, nullptr);
    report_if_ended(id);
  }
}

// Only the first error is reported.
void WriteScheduler::fail(Write& write, Code code, const std::string& message, const Segment* segment) {
  if (write.code != Code::ok) return;
  write.code = code;
  write.message = message;
  if (segment != nullptr) write.segment = segment->handle();
}

void WriteScheduler::report_if_ended(uint32_t id) {
  const auto found = writes_.find(id);
  if (found == writes_.end() || found->second.outstanding > 0 || found->second.has_more()) return;
  Write& write = found->second;
  Completion completion;
  completion.id = id;
  completion.code = write.code;
  completion.message = std::move(write.message);
  completion.handle = write.segment;
  completion.bytes = write.delivered_bytes;
  completion.stopped = write.stopped;
  completion.drained = write.drained;
  writes_.erase(found);
  ended_(std::move(completion));
}

}  // namespace kvferry
