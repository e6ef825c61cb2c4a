// The grants of a receiver, and their secrets.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "tcp/protocol.h"

namespace kvferry::tcp {

struct Granted {
  uint64_t grant;
  Secret secret;
};

std::optional<Granted> parse_token(const std::string& token);

class Grants {
 public:
  // Returns the number of a new grant. Throws Failure(fabric_error).
  uint64_t add(std::string& token);
  void remove(uint64_t grant) { secrets_.erase(grant); }
  bool contains(uint64_t grant) const { return secrets_.contains(grant); }
  // Takes as long for a secret that is nearly right as for any other.
  bool admits(uint64_t grant, const Secret& secret) const;
  // Null for an unknown grant.
  const Secret* secret(uint64_t grant) const;

 private:
  std::map<uint64_t, Secret> secrets_;
  uint64_t last_ = 0;
};

}  // namespace kvferry::tcp
