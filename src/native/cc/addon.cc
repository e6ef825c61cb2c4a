// The exports of the addon. native.ts declares them in the same order.
#include <napi.h>

#include "core/baseline.h"
#include "core/engine.h"
#include "core/failure.h"
#include "cuda/devices.h"
#include "libfabric/domain.h"
#include "libfabric/offers.h"
#include "core/promise_worker.h"
#include "tcp/socket.h"

namespace kvferry {
namespace {

Napi::Value libfabric_version(const Napi::CallbackInfo& info) {
  const LibfabricStatus status = libfabric_status();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("version", status.version);
  object.Set("reason", status.reason);
  return object;
}

std::string why_not_tcp(const std::string& bind_address) {
  try {
    tcp::listen_at(bind_address, {});
    return "";
  } catch (const Failure& failure) {
    return failure.what();
  }
}

// The reason why the provider is unavailable on this host; empty when it is available.
Napi::Value probe_provider(const Napi::CallbackInfo& info) {
  const std::string provider = info[0].As<Napi::String>();
  const std::string bind_address = info[1].As<Napi::String>();
  std::string reason;
  if (provider == "tcp") return Napi::String::New(info.Env(), why_not_tcp(bind_address));
#ifdef KVFERRY_HAS_LIBFABRIC
  try {
    Poller poller;
    const LibfabricDomain domain(poller, provider, bind_address);
  } catch (const Failure& failure) {
    reason = failure.what();
  }
#else
  reason = libfabric_status().reason;
#endif
  return Napi::String::New(info.Env(), reason);
}

Napi::Value libfabric_offers_async(const Napi::CallbackInfo& info) {
  return run_promise(info.Env(), libfabric_offers, [](Napi::Env env, const std::vector<LibfabricOffer>& offers) {
    Napi::Array array = Napi::Array::New(env, offers.size());
    for (uint32_t i = 0; i < offers.size(); ++i) {
      const LibfabricOffer& offer = offers[i];
      Napi::Array domains = Napi::Array::New(env, offer.domains.size());
      for (uint32_t j = 0; j < offer.domains.size(); ++j) domains.Set(j, offer.domains[j]);
      Napi::Object object = Napi::Object::New(env);
      object.Set("provider", offer.provider);
      object.Set("domains", domains);
      array.Set(i, object);
    }
    return array;
  });
}

Napi::Value cuda_devices_async(const Napi::CallbackInfo& info) {
  return run_promise(info.Env(), cuda::find_devices, [](Napi::Env env, const cuda::FoundDevices& found) {
    Napi::Array devices = Napi::Array::New(env, found.devices.size());
    for (uint32_t i = 0; i < found.devices.size(); ++i) {
      Napi::Object device = Napi::Object::New(env);
      device.Set("uuid", found.devices[i].uuid);
      device.Set("name", found.devices[i].name);
      devices.Set(i, device);
    }
    Napi::Object object = Napi::Object::New(env);
    object.Set("reason", found.reason);
    object.Set("devices", devices);
    return object;
  });
}

// The codes of completion records, at their numbers.
Napi::Array code_names(Napi::Env env) {
  Napi::Array names = Napi::Array::New(env);
  for (uint32_t i = 0; i <= static_cast<uint32_t>(Code::internal); i++) names.Set(i, code_name(static_cast<Code>(i)));
  return names;
}

Napi::Value to_number(Napi::Env env, double value) { return Napi::Number::New(env, value); }

uint64_t number(const Napi::Value& value) { return static_cast<uint64_t>(value.As<Napi::Number>().DoubleValue()); }

Napi::Value measure_memcpy_async(const Napi::CallbackInfo& info) {
  return run_promise(
      info.Env(),
      [bytes = number(info[0]), page_bytes = number(info[1]), directory = info[2].As<Napi::String>().Utf8Value()] {
        return measure_memcpy(bytes, page_bytes, directory);
      },
      to_number);
}

Napi::Value measure_tcp_stream_async(const Napi::CallbackInfo& info) {
  return run_promise(info.Env(), [bytes = number(info[0])] { return measure_tcp_stream(bytes); }, to_number);
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("libfabricVersion", Napi::Function::New<libfabric_version>(env));
  exports.Set("probeProvider", Napi::Function::New<probe_provider>(env));
  exports.Set("libfabricOffers", Napi::Function::New<libfabric_offers_async>(env));
  exports.Set("cudaDevices", Napi::Function::New<cuda_devices_async>(env));
  exports.Set("measureMemcpy", Napi::Function::New<measure_memcpy_async>(env));
  exports.Set("measureTcpStream", Napi::Function::New<measure_tcp_stream_async>(env));
  exports.Set("codes", code_names(env));
  exports.Set("Engine", Engine::define(env));
  return exports;
}

}  // namespace
}  // namespace kvferry

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return kvferry::initialise(env, exports); }

NODE_API_MODULE(kvferry_native, initialise)
