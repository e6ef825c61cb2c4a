#include "arena.h"

#include <sys/mman.h>

#include <system_error>

#include "failure.h"

namespace kvferry {

Arena::Arena(std::string path, size_t bytes) : file_(std::move(path), bytes) {
  try {
    mapping_ = Mapping(file_.fd(), bytes, PROT_READ | PROT_WRITE, MAP_POPULATE);
  } catch (const std::system_error& error) {
    throw Failure(Code::arena_unavailable, "arena " + file_.path() + ": " + error.what());
  }
}

}  // namespace kvferry
