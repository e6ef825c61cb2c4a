#include "same_host/device_copies.h"

#include <utility>

namespace kvferry::same_host {

void DeviceCopies::begin(cuda::Device& device, const Memory& target, uint64_t target_offset, const Memory& source,
                         const SourceRange& range, Copy copy) {
  Stream& stream = streams_.try_emplace(device.ordinal(), device, poller_).first->second;
  const auto begun = stream.copies.begin(target, target_offset, source, range);
  by_peer_[copy.peer]++;
  by_grant_[copy.grant]++;
  stream.in_flight.push_back({begun.number, begun.result, std::move(copy)});
}

void DeviceCopies::flush() {
  for (auto& [ordinal, stream] : streams_) stream.copies.flush();
}

std::vector<DeviceCopies::Answer> DeviceCopies::ended() {
  std::vector<Answer> answers;
  for (auto& [ordinal, stream] : streams_) end(stream, answers);
  return answers;
}

void DeviceCopies::end(Stream& stream, std::vector<Answer>& answers) {
  const uint64_t last = stream.copies.ended();
  while (!stream.in_flight.empty() && stream.in_flight.front().number <= last) {
    InFlight& ended = stream.in_flight.front();
    Message& reply = ended.copy.reply;
    const cuda::Result lost = stream.copies.device().lost_by();
    const cuda::Result result = ended.result == cuda::success ? lost : ended.result;
    if (result == cuda::success) {
      reply.status = ended.copy.check(reply);
    } else {
      reply.status = CopyStatus::device_failed;
      reply.source_offset = static_cast<uint64_t>(result);
    }
    forget(by_peer_, ended.copy.peer);
    forget(by_grant_, ended.copy.grant);
    answers.push_back({ended.copy.peer, reply});
    stream.in_flight.pop_front();
  }
}

Deadline DeviceCopies::deadline() const {
  Deadline deadline;
  for (const auto& [ordinal, stream] : streams_) deadline = earliest(deadline, stream.copies.deadline());
  return deadline;
}

size_t DeviceCopies::count(const Counts& counts, uint64_t of) {
  const auto found = counts.find(of);
  return found == counts.end() ? 0 : found->second;
}

void DeviceCopies::forget(Counts& counts, uint64_t of) {
  const auto found = counts.find(of);
  if (--found->second == 0) counts.erase(found);
}

}  // namespace kvferry::same_host
