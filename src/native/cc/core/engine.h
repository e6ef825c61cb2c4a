// The JavaScript interface of a fabric. It converts arguments and forwards calls to EngineCore and the transports.
//
// Methods take the id that their completion will have. They throw a JavaScript error, and nothing else, for mistakes of
// callers within this package.
// native.ts declares the same methods in the same order.
#pragma once

#include <napi.h>

#include <memory>

#include "core/engine_core.h"

namespace kvferry {

class Engine final : public Napi::ObjectWrap<Engine> {
 public:
  static Napi::Function define(Napi::Env env);

  explicit Engine(const Napi::CallbackInfo& info);
  ~Engine() override;

 private:
  void open(const Napi::CallbackInfo& info);
  Napi::Value create_arena(const Napi::CallbackInfo& info);
  Napi::Value create_device_arena(const Napi::CallbackInfo& info);
  Napi::Value arena_fault(const Napi::CallbackInfo& info);
  void listen(const Napi::CallbackInfo& info);
  void grant(const Napi::CallbackInfo& info);
  void revoke(const Napi::CallbackInfo& info);
  Napi::Value attach_segment(const Napi::CallbackInfo& info);
  Napi::Value look_at_segment(const Napi::CallbackInfo& info);
  Napi::Value attach_device(const Napi::CallbackInfo& info);
  Napi::Value create_segment(const Napi::CallbackInfo& info);
  void detach_segment(const Napi::CallbackInfo& info);
  void connect(const Napi::CallbackInfo& info);
  void write(const Napi::CallbackInfo& info);
  void stop(const Napi::CallbackInfo& info);
  void disconnect(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  template <auto act>
  Napi::Value shielded_method(const Napi::CallbackInfo& info);
  template <auto act>
  static Napi::ClassPropertyDescriptor<Engine> method(const char* name);

  // Sends a command to the transport of the first argument, under the id of the second. A command that begins something
  // fails when the transport has failed. One that ends something does not, because the transport has ended everything.
  enum class Kind { begins, ends };
  template <typename Command>
  void command(const Napi::CallbackInfo& info, Kind kind, Command command);
  template <typename Command>
  void sender_command(const Napi::CallbackInfo& info, Kind kind, Command command);
  template <typename Make>
  Napi::Value adopt_segment(const Napi::CallbackInfo& info, Make make);
  void abandon();
  static void environment_ends(void* engine);

  std::shared_ptr<EngineCore> core_;
  bool hooked_ = false;
};

}  // namespace kvferry
