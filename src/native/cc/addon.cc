// The exports of the addon. native.ts declares them in the same order.
#include <napi.h>

#include "core/arguments.h"
#include "core/baseline.h"
#include "core/engine.h"
#include "core/failure.h"
#include "cuda/devices.h"
#include "libfabric/domain.h"
#include "libfabric/offers.h"
#include "core/promise_worker.h"
#include "core/shield.h"
#include "tcp/socket.h"

namespace kvferry {
namespace {

// A baseline that takes minutes is a mistake.
constexpr uint64_t baseline_bytes_max = uint64_t{1} << 40;

Napi::Value libfabric_version(const Napi::CallbackInfo& info) {
  const LibfabricStatus status = libfabric_status();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("version", status.version);
  object.Set("reason", status.reason);
  return object;
}

// Opens the provider for a moment. Throws why it is unavailable.
void try_provider(const std::string& provider, const std::string& bind_address) {
  if (provider == "tcp") {
    tcp::listen_at(bind_address, {});
    return;
  }
#ifdef KVFERRY_HAS_LIBFABRIC
  Poller poller;
  const LibfabricDomain domain(poller, provider, bind_address);
#else
  throw Failure(Code::provider_unavailable, libfabric_status().reason);
#endif
}

// The reason why the provider is unavailable on this host; empty when it is available.
Napi::Value probe_provider(const Napi::CallbackInfo& info) {
  const std::string provider = arguments::text(info[0], "provider");
  const std::string bind_address = arguments::text(info[1], "bindAddress");
  std::string reason;
  try {
    try_provider(provider, bind_address);
  } catch (const std::exception& error) {
    reason = error.what();
  }
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

Napi::Value measure_memcpy_async(const Napi::CallbackInfo& info) {
  return run_promise(
      info.Env(),
      [bytes = arguments::whole(info[0], "bytes", 1, baseline_bytes_max),
       page_bytes = arguments::whole(info[1], "pageBytes", 1), directory = arguments::path(info[2], "directory")] {
        return measure_memcpy(bytes, page_bytes, directory);
      },
      to_number);
}

Napi::Value measure_tcp_stream_async(const Napi::CallbackInfo& info) {
  return run_promise(
      info.Env(),
      [bytes = arguments::whole(info[0], "bytes", 1, baseline_bytes_max)] { return measure_tcp_stream(bytes); },
      to_number);
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  set_libfabric_environment();
  exports.Set("libfabricVersion", Napi::Function::New<shield<libfabric_version>>(env));
  exports.Set("probeProvider", Napi::Function::New<shield<probe_provider>>(env));
  exports.Set("libfabricOffers", Napi::Function::New<shield<libfabric_offers_async>>(env));
  exports.Set("cudaDevices", Napi::Function::New<shield<cuda_devices_async>>(env));
  exports.Set("measureMemcpy", Napi::Function::New<shield<measure_memcpy_async>>(env));
  exports.Set("measureTcpStream", Napi::Function::New<shield<measure_tcp_stream_async>>(env));
  exports.Set("codes", code_names(env));
  exports.Set("Engine", Engine::define(env));
  return exports;
}

}  // namespace
}  // namespace kvferry

static Napi::Object initialise(Napi::Env env, Napi::Object exports) { return kvferry::initialise(env, exports); }

NODE_API_MODULE(kvferry_native, initialise)
