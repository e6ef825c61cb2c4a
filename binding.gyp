{
  "targets": [
    {
      "target_name": "kvferry_native",
      "sources": [
        "src/native/cc/addon.cc",
        "src/native/cc/core/arena.cc",
        "src/native/cc/core/baseline.cc",
        "src/native/cc/core/completion_queue.cc",
        "src/native/cc/core/engine.cc",
        "src/native/cc/core/engine_core.cc",
        "src/native/cc/core/failure.cc",
        "src/native/cc/core/fault_guard.cc",
        "src/native/cc/core/fields.cc",
        "src/native/cc/libfabric/connection.cc",
        "src/native/cc/libfabric/domain.cc",
        "src/native/cc/libfabric/library.cc",
        "src/native/cc/libfabric/offers.cc",
        "src/native/cc/libfabric/target.cc",
        "src/native/cc/libfabric/transport.cc",
        "src/native/cc/core/loop_watch.cc",
        "src/native/cc/core/mapping.cc",
        "src/native/cc/core/memory_file.cc",
        "src/native/cc/core/outbox.cc",
        "src/native/cc/core/poller.cc",
        "src/native/cc/core/random.cc",
        "src/native/cc/same_host/connection.cc",
        "src/native/cc/same_host/entrance.cc",
        "src/native/cc/same_host/receiver.cc",
        "src/native/cc/same_host/sender.cc",
        "src/native/cc/same_host/socket.cc",
        "src/native/cc/same_host/transport.cc",
        "src/native/cc/core/segment.cc",
        "src/native/cc/core/segment_mapping.cc",
        "src/native/cc/core/staging.cc",
        "src/native/cc/core/stream_copy.cc",
        "src/native/cc/core/transport.cc",
        "src/native/cc/core/write_scheduler.cc"
      ],
      "include_dirs": ["src/native/cc", "<!@(node -p \"require('node-addon-api').include\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
      "cflags_cc": ["-std=c++20", "-fexceptions", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-fvisibility=hidden"],
      "ldflags": ["-Wl,-z,nodelete", "-pthread"],
      "libraries": ["-ldl"]
    }
  ]
}
