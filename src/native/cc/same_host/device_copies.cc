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

void DeviceCopies::finish() {
  for (auto& [ordinal, stream] : streams_) stream.copies.finish();
}

// The driver may still use the memory of lost copies, so nothing gives it back.
DeviceCopies::Stream::~Stream() {
  if (!lost.empty()) static_cast<void>(new std::vector<Copy>(std::move(lost)));
}

void DeviceCopies::end(Stream& stream, std::vector<Answer>& answers) {
  stream.copies.look();
  while (!stream.in_flight.empty()) {
    InFlight& first = stream.in_flight.front();
    const auto state = stream.copies.state_of(first.number);
    if (state == cuda::Copies::State::under_way) return;
    const bool ended = state == cuda::Copies::State::ended;
    const cuda::Result result = ended ? first.result : stream.copies.device().lost_by();
    Message& reply = first.copy.reply;
    if (result == cuda::success) {
      reply.status = first.copy.check(reply);
      if (reply.status == CopyStatus::copied && !first.copy.arena->fault().empty()) reply.status = CopyStatus::arena_invalid;
    } else {
      reply.status = ended ? CopyStatus::device_failed : CopyStatus::device_lost;
      reply.source_offset = static_cast<uint64_t>(result);
    }
    answers.push_back({first.copy.peer, reply});
    forget(by_peer_, first.copy.peer);
    forget(by_grant_, first.copy.grant);
    if (!ended) lose(stream, std::move(first.copy));
    stream.in_flight.pop_front();
  }
}

void DeviceCopies::lose(Stream& stream, Copy copy) {
  lost_.peers.insert(copy.peer);
  lost_.grants.insert(copy.grant);
  stream.lost.push_back(std::move(copy));
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
