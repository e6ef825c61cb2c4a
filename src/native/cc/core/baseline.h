// Measures how fast this machine moves bytes without kvferry, for comparison. Both functions block while they run.
#pragma once

#include <cstdint>
#include <string>

namespace kvferry {

constexpr double bytes_per_gigabyte = 1e9;

// One thread copies page by page with memcpy between two mapped files in `directory`. GB/s.
double measure_memcpy(uint64_t bytes, uint64_t page_bytes, const std::string& directory);
// One thread writes to a TCP connection over loopback, another reads. GB/s.
double measure_tcp_stream(uint64_t bytes);

}  // namespace kvferry
