#include "core/arguments.h"

#include <cmath>

#include "core/failure.h"

namespace kvferry::arguments {
namespace {

void require(bool good, const char* name, const std::string& kind) {
  if (!good) throw Failure(Code::internal, std::string(name) + " must be " + kind);
}

template <typename Element, typename Read>
std::vector<Element> all(const Napi::Value& value, const char* name, uint32_t count_max, Read read) {
  require(value.IsArray(), name, "an array");
  const auto array = value.As<Napi::Array>();
  require(array.Length() <= count_max, name, "an array of at most " + std::to_string(count_max));
  std::vector<Element> elements;
  for (uint32_t i = 0; i < array.Length() && i < count_max; i++) elements.push_back(read(array.Get(i), name));
  return elements;
}

}  // namespace

uint64_t whole(double value, const char* name, uint64_t min, uint64_t max) {
  // A comparison with NaN is false.
  const bool good =
      value >= static_cast<double>(min) && value <= static_cast<double>(max) && std::trunc(value) == value;
  require(good, name, "a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  return static_cast<uint64_t>(value);
}

uint64_t whole(const Napi::Value& value, const char* name, uint64_t min, uint64_t max) {
  require(value.IsNumber(), name, "a number");
  return whole(value.As<Napi::Number>().DoubleValue(), name, min, max);
}

uint32_t small(const Napi::Value& value, const char* name, uint32_t min) {
  return static_cast<uint32_t>(whole(value, name, min, small_max));
}

std::string text(const Napi::Value& value, const char* name) {
  require(value.IsString(), name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::string path(const Napi::Value& value, const char* name) {
  std::string path = text(value, name);
  require(!path.empty() && path.find('\0') == std::string::npos, name, "a path: not empty, and without a NUL");
  return path;
}

bool flag(const Napi::Value& value, const char* name) {
  require(value.IsBoolean(), name, "true or false");
  return value.As<Napi::Boolean>().Value();
}

Napi::Object object(const Napi::Value& value, const char* name) {
  require(value.IsObject(), name, "an object");
  return value.As<Napi::Object>();
}

Napi::Function function(const Napi::Value& value, const char* name) {
  require(value.IsFunction(), name, "a function");
  return value.As<Napi::Function>();
}

Napi::Float64Array numbers(const Napi::Value& value, const char* name) {
  const bool good = value.IsTypedArray() && value.As<Napi::TypedArray>().TypedArrayType() == napi_float64_array;
  require(good, name, "a Float64Array");
  return value.As<Napi::Float64Array>();
}

std::vector<std::string> texts(const Napi::Value& value, const char* name, uint32_t count_max) {
  return all<std::string>(value, name, count_max, text);
}

std::vector<std::string> paths(const Napi::Value& value, const char* name, uint32_t count_max) {
  return all<std::string>(value, name, count_max, path);
}

std::vector<uint32_t> smalls(const Napi::Value& value, const char* name, uint32_t count_max) {
  return all<uint32_t>(value, name, count_max,
                       [](const Napi::Value& element, const char* what) { return small(element, what); });
}

}  // namespace kvferry::arguments
