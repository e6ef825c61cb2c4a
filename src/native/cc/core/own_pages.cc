#include "core/own_pages.h"

#include <sys/mman.h>

#include <cerrno>
#include <string>

#include "core/failure.h"

namespace kvferry {

OwnPages::OwnPages(size_t bytes) : bytes_(bytes) {
  void* memory = ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    throw Failure(Code::fabric_error, describe_errno("no memory for " + std::to_string(bytes_) + " bytes", errno));
  }
  data_ = static_cast<uint8_t*>(memory);
}

OwnPages::~OwnPages() { ::munmap(data_, bytes_); }

void OwnPages::give_back() { ::madvise(data_, bytes_, MADV_DONTNEED); }

}  // namespace kvferry
