// What a sender receives as text: the receiver's address, and the token of its grant.
#pragma once

#include "libfabric/connected/hello.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include <cstdint>
#include <string>
#include <vector>

namespace kvferry::connected {

struct Address {
  std::string provider;
  std::vector<uint8_t> listener;
  uint64_t agent = 0;
  RemoteMemory mark;  // a word that holds `agent`; see Receiver

  std::string text() const;
  // Throws Failure(connection_failed).
  static Address parse(const std::string& text);
};

struct Token {
  uint64_t grant = 0;
  Secret secret;

  std::string text() const;
  // Throws Failure(connection_failed).
  static Token parse(const std::string& text);
};

}  // namespace kvferry::connected

#endif
