// The bytes between the two ends of a TCP connection.
//
// A connection has one or more streams. Each is a TCP connection of its own, and each begins with a hello:
// sender:   hello, then frames: a header, and behind it as many bytes as the header names
// receiver: welcome or refused, then one `done` for each frame; `revoked` when the grant ends
//
// The receiver parses nothing before it has found the secret of the hello. All messages have a fixed size. Numbers are
// little-endian, as in the memory of every machine that kvferry runs on.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace kvferry::tcp {

static_assert(std::endian::native == std::endian::little);

constexpr std::array<uint8_t, 8> magic = {'K', 'V', 'F', 'E', 'R', 'R', 'Y', '\n'};
constexpr uint32_t protocol_version = 1;
constexpr size_t secret_bytes = 32;
constexpr uint64_t frame_bytes_max = 1 << 30;

using Secret = std::array<uint8_t, secret_bytes>;

struct Hello {
  std::array<uint8_t, 8> magic;
  uint32_t version;
  uint32_t bytes;  // of the hello
  uint64_t grant;
  Secret secret;
};
static_assert(sizeof(Hello) == 56);

enum class FrameKind : uint32_t { write = 1 };

struct FrameHeader {
  FrameKind kind;
  uint32_t reserved;  // 0
  uint64_t ticket;
  uint64_t target_offset;
  uint64_t length;
};
static_assert(sizeof(FrameHeader) == 32);

enum class AnswerKind : uint32_t { welcome = 1, refused, done, revoked };

enum class FrameStatus : uint32_t {
  landed = 0,
  rejected,       // its target is outside the arena
  arena_invalid,  // the arena's file has lost memory
};

struct Answer {
  AnswerKind kind;
  FrameStatus status;  // done
  uint64_t ticket;     // done
  uint64_t value;      // welcome: bytes of the arena
};
static_assert(sizeof(Answer) == 24);

}  // namespace kvferry::tcp
