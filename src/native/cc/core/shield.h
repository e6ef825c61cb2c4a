// The border to JavaScript: an exception of C++ becomes a JavaScript error with a code, and goes no further.
#pragma once

#include <napi.h>

#include <exception>
#include <string>

#include "core/failure.h"

namespace kvferry {

inline Napi::Error javascript_error(Napi::Env env, Code code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code_name(code)));
  return error;
}

// Calls `act`. What it throws, this throws as a Napi::Error, which node-addon-api turns into a JavaScript exception.
template <typename Act>
auto shielded(Napi::Env env, Act act) {
  try {
    return act();
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw javascript_error(env, code_of(error), error.what());
  }
}

// A function of the addon, shielded.
template <auto function>
Napi::Value shield(const Napi::CallbackInfo& info) {
  return shielded(info.Env(), [&info] { return function(info); });
}

}  // namespace kvferry
