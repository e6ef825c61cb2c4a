#include "core/engine.h"

#include <algorithm>

#include "core/fields.h"
#include "core/file_arena.h"
#include "core/promise_worker.h"
#include "cuda/device_arena.h"

namespace kvferry {
namespace {

std::string text(const Napi::Value& value) { return value.As<Napi::String>().Utf8Value(); }
uint64_t number(const Napi::Value& value) { return static_cast<uint64_t>(value.As<Napi::Number>().DoubleValue()); }
uint32_t small_number(const Napi::Value& value) { return value.As<Napi::Number>().Uint32Value(); }

template <typename Array>
Array hex_array(const Napi::Value& value, const char* what) {
  const auto bytes = FieldReader(text(value)).bytes();
  Array array = {};
  if (!bytes || bytes->size() != array.size()) {
    throw Napi::Error::New(value.Env(), std::string(what) + ": " + std::to_string(array.size()) + " bytes in hexadecimal");
  }
  std::copy(bytes->begin(), bytes->end(), array.begin());
  return array;
}

// A write passes its items as numbers, six per item: segment, source offset, length, length of a piece, stride, target
// offset.
constexpr size_t numbers_per_item = 6;

EngineOptions options_of(const Napi::Object& object) {
  EngineOptions options;
  options.bind_address = text(object.Get("bindAddress"));
  options.same_host.directory = text(object.Get("socketDirectory"));
  options.same_host.any_user = text(object.Get("socketUsers")) == "any";
  options.tcp.bind_address = options.bind_address;
  const auto ports = object.Get("tcpPorts").As<Napi::Object>();
  options.tcp.ports.first = static_cast<uint16_t>(number(ports.Get("first")));
  options.tcp.ports.last = static_cast<uint16_t>(number(ports.Get("last")));
  options.tcp.streams = static_cast<unsigned>(number(object.Get("tcpStreams")));
  options.tcp.encrypted = object.Get("tcpEncrypted").As<Napi::Boolean>();
  options.limits.window_bytes = number(object.Get("windowBytes"));
  options.limits.slice_bytes = number(object.Get("sliceBytes"));
  options.spin_time = std::chrono::microseconds(number(object.Get("spinMicroseconds")));
  options.numa_node = object.Get("numaNode").As<Napi::Number>().Int32Value();
  const auto providers = object.Get("providers").As<Napi::Array>();
  for (uint32_t i = 0; i < providers.Length(); i++) options.providers.push_back(text(providers.Get(i)));
  return options;
}

}  // namespace

Napi::Function Engine::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {
                         InstanceMethod<&Engine::open>("open"),
                         InstanceMethod<&Engine::create_arena>("createArena"),
                         InstanceMethod<&Engine::create_device_arena>("createDeviceArena"),
                         InstanceMethod<&Engine::arena_fault>("arenaFault"),
                         InstanceMethod<&Engine::listen>("listen"),
                         InstanceMethod<&Engine::grant>("grant"),
                         InstanceMethod<&Engine::revoke>("revoke"),
                         InstanceMethod<&Engine::attach_segment>("attachSegment"),
                         InstanceMethod<&Engine::attach_device>("attachDevice"),
                         InstanceMethod<&Engine::create_segment>("createSegment"),
                         InstanceMethod<&Engine::detach_segment>("detachSegment"),
                         InstanceMethod<&Engine::connect>("connect"),
                         InstanceMethod<&Engine::write>("write"),
                         InstanceMethod<&Engine::stop>("stop"),
                         InstanceMethod<&Engine::disconnect>("disconnect"),
                         InstanceMethod<&Engine::close>("close"),
                     });
}

Engine::Engine(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  core_ = std::make_shared<EngineCore>(info.Env(), info[1].As<Napi::Function>(), options_of(info[0].As<Napi::Object>()));
  // Added after the outbox made its thread-safe function: hooks run in reverse order, and this one must run first.
  napi_add_env_cleanup_hook(info.Env(), environment_ends, this);
  hooked_ = true;
}

void Engine::environment_ends(void* engine) {
  static_cast<Engine*>(engine)->hooked_ = false;
  static_cast<Engine*>(engine)->abandon();
}

// Runs when the engine is garbage collected, or when the environment ends.
Engine::~Engine() {
  if (hooked_) napi_remove_env_cleanup_hook(Env(), environment_ends, this);
  abandon();
}

void Engine::abandon() {
  if (!core_) return;
  core_->leave_loop();
  core_->shut_down();
  core_->outbox().abandon();
  core_.reset();
}

template <typename Command>
void Engine::command(const Napi::CallbackInfo& info, Command command) {
  const uint32_t id = small_number(info[1]);
  Transport* transport = &core_->transport(small_number(info[0]));
  core_->outbox().begin();
  transport->post(id, [transport, id, command = std::move(command)] { command(*transport, id); });
}

template <typename Command>
void Engine::sender_command(const Napi::CallbackInfo& info, Command command) {
  const uint32_t id = small_number(info[1]);
  Transport* transport = &core_->transport(small_number(info[0]));
  core_->outbox().begin();
  transport->post_to_sender(id, [transport, id, command = std::move(command)]() mutable { command(*transport, id); });
}

void Engine::open(const Napi::CallbackInfo& info) {
  command(info, [](Transport& transport, uint32_t id) { transport.open(id); });
}

Napi::Value Engine::create_arena(const Napi::CallbackInfo& info) {
  return run_promise(
      info.Env(),
      [path = text(info[0]), bytes = number(info[1]), node = core_->numa_node()] {
        return std::make_shared<FileArena>(path, bytes, node);
      },
      [core = core_](Napi::Env env, std::shared_ptr<Arena> arena) {
        core->adopt(std::move(arena));
        return env.Undefined();
      });
}

Napi::Value Engine::create_device_arena(const Napi::CallbackInfo& info) {
  const auto device = hex_array<decltype(DeviceMemory::device)>(info[0], "device");
  return run_promise(
      info.Env(), [device, bytes = number(info[1])] { return std::make_shared<cuda::DeviceArena>(device, bytes); },
      [core = core_](Napi::Env env, std::shared_ptr<cuda::DeviceArena> arena) {
        const auto& handle = arena->described().handle;
        core->adopt(std::move(arena));
        return Napi::String::New(env, hex_bytes({handle.begin(), handle.end()}));
      });
}

Napi::Value Engine::arena_fault(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  try {
    const std::string fault = core_->arena()->fault();
    return Napi::String::New(env, fault.empty() ? cuda::Device::any_fault() : fault);
  } catch (const Failure& failure) {
    return Napi::String::New(env, failure.what());
  }
}

void Engine::listen(const Napi::CallbackInfo& info) {
  command(info, [arena = core_->arena()](Transport& transport, uint32_t id) { transport.listen(id, arena); });
}

void Engine::grant(const Napi::CallbackInfo& info) {
  command(info, [](Transport& transport, uint32_t id) { transport.grant(id); });
}

void Engine::revoke(const Napi::CallbackInfo& info) {
  command(info, [grant = number(info[2])](Transport& transport, uint32_t id) { transport.revoke(id, grant); });
}

Napi::Value Engine::attach_segment(const Napi::CallbackInfo& info) {
  return adopt_segment(info, [path = text(info[0])] { return Segment::open(path); });
}

// Nothing can block here: only the receiver opens the memory.
Napi::Value Engine::attach_device(const Napi::CallbackInfo& info) {
  DeviceMemory memory = {};
  memory.handle = hex_array<decltype(memory.handle)>(info[0], "handle");
  memory.device = hex_array<decltype(memory.device)>(info[1], "device");
  memory.offset = number(info[2]);
  memory.bytes = number(info[3]);
  return adopt_segment(info, [memory] { return std::make_shared<Segment>(memory); });
}

Napi::Value Engine::create_segment(const Napi::CallbackInfo& info) {
  return adopt_segment(info, [path = text(info[0]), bytes = number(info[1]), node = core_->numa_node()] {
    return Segment::create(path, bytes, node);
  });
}

template <typename Make>
Napi::Value Engine::adopt_segment(const Napi::CallbackInfo& info, Make make) {
  return run_promise(info.Env(), std::move(make), [core = core_](Napi::Env env, std::shared_ptr<Segment> segment) {
    Napi::Object attached = Napi::Object::New(env);
    attached.Set("bytes", static_cast<double>(segment->bytes()));
    attached.Set("handle", core->adopt(std::move(segment)));
    return attached;
  });
}

void Engine::detach_segment(const Napi::CallbackInfo& info) { core_->detach(small_number(info[0])); }

void Engine::connect(const Napi::CallbackInfo& info) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(number(info[4]));
  sender_command(info, [address = text(info[2]), token = text(info[3]), deadline](Transport& transport, uint32_t id) {
    transport.connect(id, address, token, deadline);
  });
}

void Engine::write(const Napi::CallbackInfo& info) {
  const auto numbers = info[3].As<Napi::Float64Array>();
  const double* data = numbers.Data();
  const size_t count = std::min<size_t>(small_number(info[4]), numbers.ElementLength() / numbers_per_item);
  std::vector<WriteItem> items;
  items.reserve(count);
  for (size_t i = 0; i < count * numbers_per_item; i += numbers_per_item) {
    const SourceRange source = {static_cast<uint64_t>(data[i + 1]), static_cast<uint64_t>(data[i + 2]),
                                static_cast<uint64_t>(data[i + 3]), static_cast<uint64_t>(data[i + 4])};
    items.push_back({core_->segment(static_cast<uint32_t>(data[i])), source, static_cast<uint64_t>(data[i + 5])});
  }
  sender_command(info, [connection = number(info[2]), items = std::move(items)](Transport& transport, uint32_t id) mutable {
    transport.write(id, connection, std::move(items));
  });
}

void Engine::stop(const Napi::CallbackInfo& info) {
  Transport* transport = &core_->transport(small_number(info[0]));
  transport->post_to_sender(0, [transport, connection = number(info[1]), write = small_number(info[2])] {
    transport->stop(connection, write);
  });
}

void Engine::disconnect(const Napi::CallbackInfo& info) {
  sender_command(info, [connection = number(info[2])](Transport& transport, uint32_t id) {
    transport.disconnect(id, connection);
  });
}

// Makes the engine unusable at once. The promise resolves when its threads have ended and all completions are
// delivered. The cleanup hook stays, because the environment may end before the promise resolves.
Napi::Value Engine::close(const Napi::CallbackInfo& info) {
  core_->leave_loop();
  return run_promise(
      info.Env(),
      [core = core_] {
        core->shut_down();
        return true;
      },
      [core = core_](Napi::Env env, bool) {
        core->outbox().shut();
        return env.Undefined();
      });
}

}  // namespace kvferry
