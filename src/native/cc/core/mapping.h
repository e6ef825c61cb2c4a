// Owns a shared mapping of a file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvferry {

class Mapping {
 public:
  Mapping() = default;
  // `protection` and `extra_flags` are mmap's. Throws std::system_error.
  Mapping(int fd, size_t bytes, int protection, int extra_flags);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  void release();

  uint8_t* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace kvferry
