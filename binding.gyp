{
  "targets": [
    {
      "target_name": "kvferry_native",
      "sources": [
        "src/native/cc/addon.cc",
        "src/native/cc/arena.cc",
        "src/native/cc/baseline.cc",
        "src/native/cc/completion_queue.cc",
        "src/native/cc/engine.cc",
        "src/native/cc/engine_core.cc",
        "src/native/cc/failure.cc",
        "src/native/cc/fault_guard.cc",
        "src/native/cc/fields.cc",
        "src/native/cc/libfabric_connection.cc",
        "src/native/cc/libfabric_domain.cc",
        "src/native/cc/libfabric_library.cc",
        "src/native/cc/libfabric_offers.cc",
        "src/native/cc/libfabric_target.cc",
        "src/native/cc/libfabric_transport.cc",
        "src/native/cc/mapping.cc",
        "src/native/cc/memory_file.cc",
        "src/native/cc/outbox.cc",
        "src/native/cc/poller.cc",
        "src/native/cc/random.cc",
        "src/native/cc/same_host_connection.cc",
        "src/native/cc/same_host_receiver.cc",
        "src/native/cc/same_host_socket.cc",
        "src/native/cc/same_host_transport.cc",
        "src/native/cc/segment.cc",
        "src/native/cc/segment_mapping.cc",
        "src/native/cc/staging.cc",
        "src/native/cc/stream_copy.cc",
        "src/native/cc/transport.cc",
        "src/native/cc/write_scheduler.cc"
      ],
      "include_dirs": ["<!@(node -p \"require('node-addon-api').include\")"],
      "defines": ["NAPI_VERSION=8", "NAPI_CPP_EXCEPTIONS"],
      "cflags!": ["-fno-exceptions"],
      "cflags_cc!": ["-fno-exceptions", "-fno-rtti", "-std=gnu++17"],
      "cflags_cc": ["-std=c++20", "-fexceptions", "-Wall", "-Wextra", "-Wno-missing-field-initializers", "-fvisibility=hidden"],
      "ldflags": ["-Wl,-z,nodelete", "-pthread"],
      "libraries": ["-ldl"]
    }
  ]
}
