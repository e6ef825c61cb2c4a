// Errors as values that cross threads. native-errors.ts turns them into a KvferryError.
#pragma once

#include <stdexcept>
#include <string>

namespace kvferry {

// The names are those of src/protocol/errors.ts. `internal` is the last one.
enum class Code {
  ok,
  write_rejected,
  connection_lost,
  connection_failed,
  segment_invalid,
  segment_not_found,
  fabric_error,
  provider_unavailable,
  arena_unavailable,
  invalid_configuration,
  closed,
  internal,
};

const char* code_name(Code code);

// Thrown during set-up. It never leaves the thread that threw it.
class Failure : public std::runtime_error {
 public:
  Failure(Code code, const std::string& message) : std::runtime_error(message), code(code) {}
  const Code code;
};

// Of any exception: what the system refuses is a fabric error, and what else is no Failure is a fault of this code.
Code code_of(const std::exception& error);

// "what: strerror(error)".
std::string describe_errno(const std::string& what, int error);

}  // namespace kvferry
