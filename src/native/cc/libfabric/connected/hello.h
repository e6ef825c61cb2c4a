// What two agents exchange while they connect, in the private data of libfabric's connection requests. A card carries at
// most 55 bytes of it.
//
// The receiver checks a hello before it makes anything for the sender. Its answer goes with the acceptance or with the
// refusal.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "libfabric/domain.h"

#ifdef KVFERRY_HAS_LIBFABRIC

namespace kvferry::connected {

constexpr size_t private_bytes_max = 55;

struct Secret {
  std::array<uint64_t, 2> words{};
  // Takes the same time wherever the first difference is.
  bool equals(const Secret& other) const {
    return ((words[0] ^ other.words[0]) | (words[1] ^ other.words[1])) == 0;
  }
};

enum class Purpose : uint16_t {
  write = 1,  // to write under the grant
  ask = 2,    // to learn what became of the grant; always refused, with the answer
};

// Byte order is that of the host: both ends of a fabric have the same.
struct Hello {
  static constexpr uint32_t right_magic = 0x7966766b;
  static constexpr uint16_t right_version = 1;

  uint32_t magic = right_magic;
  uint16_t version = right_version;
  Purpose purpose = Purpose::write;
  uint64_t agent = 0;  // random number of the receiver's life
  uint64_t grant = 0;
  Secret secret;
};

enum class Verdict : uint32_t {
  welcome = 1,
  other_agent = 2,    // the address belongs to another receiver now
  grant_unknown = 3,  // it was revoked: no byte of it lands any more
  grant_live = 4,     // the answer to `ask`
  grant_busy = 5,     // it has too many connections
};

struct Answer {
  uint32_t magic = Hello::right_magic;
  Verdict verdict = Verdict::welcome;
  uint64_t arena_bytes = 0;
  RemoteMemory arena;
};

static_assert(sizeof(Hello) <= private_bytes_max && sizeof(Answer) <= private_bytes_max);

// Empty when the bytes are something else.
std::optional<Hello> hello_of(const void* data, size_t bytes);
std::optional<Answer> answer_of(const void* data, size_t bytes);

}  // namespace kvferry::connected

#endif
