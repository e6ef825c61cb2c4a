#include "core/fields.h"

#include <charconv>

namespace kvferry {
namespace {

constexpr char digits[] = "0123456789abcdef";
constexpr int hex_base = 16;

}  // namespace

std::string hex_number(uint64_t value) {
  char buffer[sizeof value * 2];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, hex_base).ptr;
  return std::string(buffer, end);
}

std::string hex_bytes(const std::vector<uint8_t>& bytes) {
  std::string text;
  for (const uint8_t byte : bytes) {
    text += digits[byte >> 4];
    text += digits[byte & 15];
  }
  return text;
}

std::optional<std::string> FieldReader::text() {
  if (done_) return std::nullopt;
  const size_t colon = rest_.find(':');
  std::string field(rest_.substr(0, colon));
  done_ = colon == std::string_view::npos;
  rest_ = done_ ? std::string_view() : rest_.substr(colon + 1);
  return field;
}

std::optional<uint64_t> FieldReader::number() {
  const auto field = text();
  if (!field) return std::nullopt;
  uint64_t value = 0;
  const char* end = field->data() + field->size();
  const auto result = std::from_chars(field->data(), end, value, hex_base);
  if (field->empty() || result.ec != std::errc() || result.ptr != end) return std::nullopt;
  return value;
}

std::optional<std::vector<uint8_t>> FieldReader::bytes() {
  const auto field = text();
  if (!field || field->size() % 2 != 0) return std::nullopt;
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < field->size(); i += 2) {
    uint8_t byte = 0;
    const char* end = field->data() + i + 2;
    const auto result = std::from_chars(field->data() + i, end, byte, hex_base);
    if (result.ec != std::errc() || result.ptr != end) return std::nullopt;
    bytes.push_back(byte);
  }
  return bytes;
}

}  // namespace kvferry
