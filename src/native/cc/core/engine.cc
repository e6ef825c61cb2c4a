#include "core/engine.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/arguments.h"
#include "core/fields.h"
#include "core/file_arena.h"
#include "core/promise_worker.h"
#include "core/reserve.h"
#include "core/shield.h"
#include "cuda/device_arena.h"

namespace kvferry {
namespace {

// A write passes its items as numbers, six per item: segment, source offset, length, length of a piece, stride, target
// offset.
constexpr size_t numbers_per_item = 6;
constexpr uint32_t providers_max = 16;
constexpr uint32_t segment_rules_max = 64;
constexpr uint64_t port_max = 65535;
constexpr uint64_t spin_max = 1'000'000;
// Nothing waits longer. A clock can count to it.
constexpr uint64_t timeout_ms_max = arguments::small_max;

using arguments::small;
using arguments::whole;

template <typename Array>
Array hex_array(const Napi::Value& value, const char* name) {
  const auto bytes = FieldReader(arguments::text(value, name)).bytes();
  Array array = {};
  if (!bytes || bytes->size() != array.size()) {
    throw Failure(Code::internal, std::string(name) + " is not " + std::to_string(array.size()) + " bytes in hexadecimal");
  }
  std::copy(bytes->begin(), bytes->end(), array.begin());
  return array;
}

tcp::Options tcp_options_of(const Napi::Object& object) {
  tcp::Options options;
  const Napi::Object ports = arguments::object(object.Get("tcpPorts"), "tcpPorts");
  options.ports.first = static_cast<uint16_t>(whole(ports.Get("first"), "tcpPorts.first", 0, port_max));
  options.ports.last = static_cast<uint16_t>(whole(ports.Get("last"), "tcpPorts.last", 0, port_max));
  options.streams = static_cast<unsigned>(whole(object.Get("tcpStreams"), "tcpStreams", 1, tcp::streams_max));
  options.encrypted = arguments::flag(object.Get("tcpEncrypted"), "tcpEncrypted");
  return options;
}

int numa_node_of(const Napi::Value& value) {
  if (value.IsNumber() && value.As<Napi::Number>().DoubleValue() == any_numa_node) return any_numa_node;
  return static_cast<int>(whole(value, "numaNode", 0, std::numeric_limits<int>::max()));
}

EngineOptions options_of(const Napi::Object& object) {
  EngineOptions options;
  options.bind_address = arguments::text(object.Get("bindAddress"), "bindAddress");
  options.same_host.directory = arguments::path(object.Get("socketDirectory"), "socketDirectory");
  options.same_host.any_user = arguments::text(object.Get("socketUsers"), "socketUsers") == "any";
  options.tcp = tcp_options_of(object);
  options.tcp.bind_address = options.bind_address;
  options.limits.window_bytes = whole(object.Get("windowBytes"), "windowBytes", 1);
  options.limits.slice_bytes = whole(object.Get("sliceBytes"), "sliceBytes", 1);
  options.spin_time =
      std::chrono::microseconds(whole(object.Get("spinMicroseconds"), "spinMicroseconds", 0, spin_max));
  options.numa_node = numa_node_of(object.Get("numaNode"));
  options.segments.directories = arguments::paths(object.Get("segmentDirectories"), "segmentDirectories", segment_rules_max);
  options.segments.owners = arguments::smalls(object.Get("segmentOwners"), "segmentOwners", segment_rules_max);
  options.providers = arguments::texts(object.Get("providers"), "providers", providers_max);
  return options;
}

}  // namespace

template <auto act>
Napi::Value Engine::shielded_method(const Napi::CallbackInfo& info) {
  return shielded(info.Env(), [&]() -> Napi::Value {
    if constexpr (std::is_void_v<decltype((this->*act)(info))>) {
      (this->*act)(info);
      return info.Env().Undefined();
    } else {
      return (this->*act)(info);
    }
  });
}

template <auto act>
Napi::ClassPropertyDescriptor<Engine> Engine::method(const char* name) {
  return InstanceMethod<&Engine::shielded_method<act>>(name);
}

Napi::Function Engine::define(Napi::Env env) {
  return DefineClass(env, "Engine",
                     {
                         method<&Engine::open>("open"),
                         method<&Engine::create_arena>("createArena"),
                         method<&Engine::create_device_arena>("createDeviceArena"),
                         method<&Engine::arena_fault>("arenaFault"),
                         method<&Engine::listen>("listen"),
                         method<&Engine::grant>("grant"),
                         method<&Engine::revoke>("revoke"),
                         method<&Engine::attach_segment>("attachSegment"),
                         method<&Engine::look_at_segment>("lookAtSegment"),
                         method<&Engine::attach_device>("attachDevice"),
                         method<&Engine::create_segment>("createSegment"),
                         method<&Engine::detach_segment>("detachSegment"),
                         method<&Engine::connect>("connect"),
                         method<&Engine::write>("write"),
                         method<&Engine::stop>("stop"),
                         method<&Engine::disconnect>("disconnect"),
                         method<&Engine::close>("close"),
                     });
}

Engine::Engine(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  core_ = shielded(info.Env(), [&info] {
    const EngineOptions options = options_of(arguments::object(info[0], "options"));
    return std::make_shared<EngineCore>(info.Env(), arguments::function(info[1], "onCompletions"), options);
  });
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
void Engine::command(const Napi::CallbackInfo& info, Kind kind, Command command) {
  Transport* transport = &core_->transport(small(info[0], "provider"));
  const uint32_t id = small(info[1], "id", 1);
  core_->outbox().begin();
  transport->post(id, [transport, id, kind, command = std::move(command)] {
    if (kind == Kind::begins) transport->require_working();
    command(*transport, id);
  });
}

template <typename Command>
void Engine::sender_command(const Napi::CallbackInfo& info, Kind kind, Command command) {
  Transport* transport = &core_->transport(small(info[0], "provider"));
  const uint32_t id = small(info[1], "id", 1);
  core_->outbox().begin();
  transport->post_to_sender(id, [transport, id, kind, command = std::move(command)]() mutable {
    if (kind == Kind::begins) transport->require_working();
    command(*transport, id);
  });
}

void Engine::open(const Napi::CallbackInfo& info) {
  command(info, Kind::begins, [](Transport& transport, uint32_t id) { transport.open_once(id); });
}

Napi::Value Engine::create_arena(const Napi::CallbackInfo& info) {
  return run_promise(
      info.Env(),
      [path = arguments::path(info[0], "path"), bytes = whole(info[1], "bytes", 1), node = core_->numa_node()] {
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
      info.Env(), [device, bytes = whole(info[1], "bytes", 1)] { return std::make_shared<cuda::DeviceArena>(device, bytes); },
      [core = core_](Napi::Env env, std::shared_ptr<cuda::DeviceArena> arena) {
        const auto& handle = arena->described().handle;
        core->adopt(std::move(arena));
        return Napi::String::New(env, hex_bytes({handle.begin(), handle.end()}));
      });
}

Napi::Value Engine::arena_fault(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), core_->arena_fault());
}

void Engine::listen(const Napi::CallbackInfo& info) {
  command(info, Kind::begins,
          [arena = core_->arena()](Transport& transport, uint32_t id) { transport.listen_once(id, arena); });
}

void Engine::grant(const Napi::CallbackInfo& info) {
  command(info, Kind::begins, [](Transport& transport, uint32_t id) { transport.grant(id); });
}

void Engine::revoke(const Napi::CallbackInfo& info) {
  command(info, Kind::ends,
          [grant = whole(info[2], "grant")](Transport& transport, uint32_t id) { transport.revoke(id, grant); });
}

Napi::Value Engine::attach_segment(const Napi::CallbackInfo& info) {
  return adopt_segment(info, [files = core_->segment_files(), directory = small(info[0], "directory"),
                              name = arguments::path(info[1], "name")] { return files->open(directory, name); });
}

Napi::Value Engine::look_at_segment(const Napi::CallbackInfo& info) {
  return run_promise(
      info.Env(),
      [files = core_->segment_files(), directory = small(info[0], "directory"), name = arguments::path(info[1], "name")] {
        return files->look(directory, name);
      },
      [](Napi::Env env, const FileIdentity& found) {
        Napi::Object object = Napi::Object::New(env);
        object.Set("file", found.file);
        object.Set("bytes", static_cast<double>(found.bytes));
        return object;
      });
}

// Nothing can block here: only the receiver opens the memory.
Napi::Value Engine::attach_device(const Napi::CallbackInfo& info) {
  DeviceMemory memory = {};
  memory.handle = hex_array<decltype(memory.handle)>(info[0], "handle");
  memory.device = hex_array<decltype(memory.device)>(info[1], "device");
  memory.offset = whole(info[2], "offset");
  memory.bytes = whole(info[3], "bytes", 1);
  return adopt_segment(info, [memory] { return std::make_shared<Segment>(memory); });
}

Napi::Value Engine::create_segment(const Napi::CallbackInfo& info) {
  const uint64_t bytes = whole(info[1], "bytes", 1);
  return adopt_segment(info, [path = arguments::path(info[0], "path"), bytes, node = core_->numa_node()] {
    return Segment::create(path, bytes, node);
  });
}

template <typename Make>
Napi::Value Engine::adopt_segment(const Napi::CallbackInfo& info, Make make) {
  return run_promise(info.Env(), std::move(make), [core = core_](Napi::Env env, std::shared_ptr<Segment> segment) {
    Napi::Object attached = Napi::Object::New(env);
    attached.Set("bytes", static_cast<double>(segment->bytes()));
    attached.Set("file", segment->device() ? "" : identity_of(segment->fd()).file);
    attached.Set("handle", core->adopt(std::move(segment)));
    return attached;
  });
}

void Engine::detach_segment(const Napi::CallbackInfo& info) { core_->detach(small(info[0], "segment")); }

void Engine::connect(const Napi::CallbackInfo& info) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(whole(info[4], "timeoutMs", 0, timeout_ms_max));
  sender_command(info, Kind::begins,
                 [address = arguments::text(info[2], "address"), token = arguments::text(info[3], "token"), deadline](
                     Transport& transport, uint32_t id) { transport.connect(id, address, token, deadline); });
}

void Engine::write(const Napi::CallbackInfo& info) {
  const Napi::Float64Array numbers = arguments::numbers(info[3], "items");
  const uint64_t count = whole(info[4], "count", 0, numbers.ElementLength() / numbers_per_item);
  const double* data = numbers.Data();
  std::vector<WriteItem> items;
  items.reserve(count);
  for (size_t i = 0; i < count * numbers_per_item; i += numbers_per_item) {
    const auto segment = static_cast<uint32_t>(whole(data[i], "segment", 0, arguments::small_max));
    const SourceRange source = {whole(data[i + 1], "sourceOffset"), whole(data[i + 2], "length"),
                                whole(data[i + 3], "pieceBytes"), whole(data[i + 4], "stride")};
    items.push_back({core_->segment(segment), source, whole(data[i + 5], "targetOffset")});
  }
  sender_command(info, Kind::begins,
                 [connection = whole(info[2], "connection"), items = std::move(items)](
                     Transport& transport, uint32_t id) mutable { transport.write(id, connection, std::move(items)); });
}

void Engine::stop(const Napi::CallbackInfo& info) {
  Transport* transport = &core_->transport(small(info[0], "provider"));
  const uint64_t connection = whole(info[1], "connection");
  const uint32_t write = small(info[2], "writeId");
  transport->post_to_sender(0, [transport, connection, write] { transport->stop(connection, write); });
}

void Engine::disconnect(const Napi::CallbackInfo& info) {
  sender_command(info, Kind::ends, [connection = whole(info[2], "connection")](Transport& transport, uint32_t id) {
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
