#include "core/stream_copy.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace kvferry {

#if defined(__SSE2__)
namespace {

constexpr size_t line_bytes = 64;
// Below this size the ordinary copy is as fast, and the target is likely to be read soon.
constexpr size_t stream_bytes_min = 16 << 10;
// The processor prefetches up to the end of a page of 4 KiB. Copying several pages at once hides the start of each. On
// one processor of 2023, four pages at once are 1.5 times as fast as memcpy, and one page at a time 1.2 times.
constexpr size_t lane_bytes = 4096;
constexpr size_t lanes = 4;

void stream_line(uint8_t* target, const uint8_t* source) {
  const auto* from = reinterpret_cast<const __m128i*>(source);
  auto* to = reinterpret_cast<__m128i*>(target);
  const __m128i a = _mm_loadu_si128(from);
  const __m128i b = _mm_loadu_si128(from + 1);
  const __m128i c = _mm_loadu_si128(from + 2);
  const __m128i d = _mm_loadu_si128(from + 3);
  _mm_stream_si128(to, a);
  _mm_stream_si128(to + 1, b);
  _mm_stream_si128(to + 2, c);
  _mm_stream_si128(to + 3, d);
}

}  // namespace

void stream_copy(uint8_t* target, const uint8_t* source, size_t bytes) {
  if (bytes < stream_bytes_min) {
    std::memcpy(target, source, bytes);
    return;
  }
  const size_t head = (line_bytes - (reinterpret_cast<uintptr_t>(target) & (line_bytes - 1))) & (line_bytes - 1);
  std::memcpy(target, source, head);
  size_t done = head;
  for (; bytes - done >= lanes * lane_bytes; done += lanes * lane_bytes) {
    for (size_t line = done; line < done + lane_bytes; line += line_bytes) {
      for (size_t lane = 0; lane < lanes; lane++) {
        stream_line(target + line + lane * lane_bytes, source + line + lane * lane_bytes);
      }
    }
  }
  for (; bytes - done >= line_bytes; done += line_bytes) stream_line(target + done, source + done);
  // Streaming stores are weakly ordered. A thread that is notified of the copy after this must see it.
  _mm_sfence();
  std::memcpy(target + done, source + done, bytes - done);
}
#else
void stream_copy(uint8_t* target, const uint8_t* source, size_t bytes) { std::memcpy(target, source, bytes); }
#endif

}  // namespace kvferry
