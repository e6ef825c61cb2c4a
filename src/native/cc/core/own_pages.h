// Memory that shares no page with any other.
//
// Memory that a device registers is kept out of child processes, page by page. If such a page had other data too, a child
// would miss that, and Node could start no program.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvferry {

class OwnPages {
 public:
  // Zeros; the kernel gives pages when they are first used. Throws Failure(fabric_error).
  explicit OwnPages(size_t bytes);
  ~OwnPages();
  OwnPages(const OwnPages&) = delete;
  OwnPages& operator=(const OwnPages&) = delete;

  uint8_t* data() const { return data_; }
  size_t bytes() const { return bytes_; }
  // Gives the pages back to the kernel: they are zeros again.
  void give_back();

 private:
  const size_t bytes_;
  uint8_t* data_;
};

}  // namespace kvferry
