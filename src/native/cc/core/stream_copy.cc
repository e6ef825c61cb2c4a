#include "core/stream_copy.h"

#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace kvferry {

#if defined(__SSE2__)
namespace {

constexpr size_t line_bytes = 64;
constexpr size_t prefetch_bytes = 512;
// Below this size the ordinary copy is as fast, and the target is likely to be read soon.
constexpr size_t stream_bytes_min = 16 << 10;

}  // namespace

void stream_copy(uint8_t* target, const uint8_t* source, size_t bytes) {
  if (bytes < stream_bytes_min) {
    std::memcpy(target, source, bytes);
    return;
  }
  const size_t head = (line_bytes - (reinterpret_cast<uintptr_t>(target) & (line_bytes - 1))) & (line_bytes - 1);
  std::memcpy(target, source, head);
  target += head;
  source += head;
  bytes -= head;
  const size_t lines = bytes / line_bytes;
  for (size_t i = 0; i < lines; i++) {
    _mm_prefetch(reinterpret_cast<const char*>(source + prefetch_bytes), _MM_HINT_NTA);
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
    source += line_bytes;
    target += line_bytes;
  }
  // Streaming stores are weakly ordered. A thread that is notified of the copy after this must see it.
  _mm_sfence();
  std::memcpy(target, source, bytes % line_bytes);
}
#else
void stream_copy(uint8_t* target, const uint8_t* source, size_t bytes) { std::memcpy(target, source, bytes); }
#endif

}  // namespace kvferry
