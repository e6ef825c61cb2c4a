#include "libfabric/connected/hello.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <cstring>

namespace kvferry::connected {
namespace {

template <typename Message>
std::optional<Message> message_of(const void* data, size_t bytes) {
  if (bytes < sizeof(Message)) return std::nullopt;
  Message message;
  std::memcpy(&message, data, sizeof message);
  if (message.magic != Hello::right_magic) return std::nullopt;
  return message;
}

}  // namespace

std::optional<Hello> hello_of(const void* data, size_t bytes) {
  const auto hello = message_of<Hello>(data, bytes);
  return hello && hello->version == Hello::right_version ? hello : std::nullopt;
}

std::optional<Answer> answer_of(const void* data, size_t bytes) { return message_of<Answer>(data, bytes); }

}  // namespace kvferry::connected

#endif
