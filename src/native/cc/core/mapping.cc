#include "core/mapping.h"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace kvferry {

Mapping::Mapping(int fd, size_t bytes, int protection, int extra_flags) : bytes_(bytes) {
  void* address = ::mmap(nullptr, bytes, protection, MAP_SHARED | extra_flags, fd, 0);
  if (address == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  data_ = static_cast<uint8_t*>(address);
}

Mapping::Mapping(Mapping&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    release();
    data_ = std::exchange(other.data_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
  }
  return *this;
}

Mapping::~Mapping() { release(); }

void Mapping::release() {
  if (data_ != nullptr) ::munmap(std::exchange(data_, nullptr), bytes_);
}

}  // namespace kvferry
