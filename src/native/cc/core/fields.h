// Addresses and tokens travel between agents as text: fields joined by ':', numbers and bytes in hexadecimal.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/failure.h"

namespace kvferry {

std::string hex_number(uint64_t value);
std::string hex_bytes(const std::vector<uint8_t>& bytes);

class FieldReader {
 public:
  explicit FieldReader(std::string_view text) : rest_(text) {}
  // Each returns nullopt when the field is missing or has another form.
  std::optional<std::string> text();
  std::optional<uint64_t> number();
  std::optional<std::vector<uint8_t>> bytes();
  bool at_end() const { return done_; }

 private:
  std::string_view rest_;
  bool done_ = false;
};

// The value of a field that a peer must have sent. `what`: the text that it is a field of. Throws Failure(connection_failed).
template <typename Value>
Value required(std::optional<Value> value, const char* what) {
  if (!value) throw Failure(Code::connection_failed, std::string("the ") + what + " is malformed");
  return *std::move(value);
}

}  // namespace kvferry
