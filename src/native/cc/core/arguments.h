// Reads what JavaScript passes. Every function throws Failure(internal) for a value of another kind or size, and the
// message has the name of the argument. Nothing is converted: a text is no number, and a fraction is no count.
#pragma once

#include <napi.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace kvferry::arguments {

// The largest number up to which JavaScript has every whole number.
constexpr uint64_t whole_max = (uint64_t{1} << 53) - 1;
constexpr uint64_t small_max = std::numeric_limits<uint32_t>::max();

uint64_t whole(double value, const char* name, uint64_t min = 0, uint64_t max = whole_max);
uint64_t whole(const Napi::Value& value, const char* name, uint64_t min = 0, uint64_t max = whole_max);
// Up to `small_max`.
uint32_t small(const Napi::Value& value, const char* name, uint32_t min = 0);
std::string text(const Napi::Value& value, const char* name);
// A text that the kernel takes whole.
std::string path(const Napi::Value& value, const char* name);
bool flag(const Napi::Value& value, const char* name);
Napi::Object object(const Napi::Value& value, const char* name);
Napi::Function function(const Napi::Value& value, const char* name);
Napi::Float64Array numbers(const Napi::Value& value, const char* name);
std::vector<std::string> texts(const Napi::Value& value, const char* name, uint32_t count_max);
std::vector<std::string> paths(const Napi::Value& value, const char* name, uint32_t count_max);
std::vector<uint32_t> smalls(const Napi::Value& value, const char* name, uint32_t count_max);

}  // namespace kvferry::arguments
