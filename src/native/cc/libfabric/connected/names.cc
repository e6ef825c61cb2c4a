#include "libfabric/connected/names.h"

#ifdef KVFERRY_HAS_LIBFABRIC

#include "core/fields.h"

namespace kvferry::connected {

std::string Address::text() const {
  return provider + ":" + hex_bytes(listener) + ":" + hex_number(agent) + ":" + hex_number(mark.key) + ":" +
         hex_number(mark.base);
}

Address Address::parse(const std::string& text) {
  constexpr const char* what = "endpoint address";
  FieldReader fields(text);
  Address address;
  address.provider = required(fields.text(), what);
  address.listener = required(fields.bytes(), what);
  address.agent = required(fields.number(), what);
  address.mark.key = required(fields.number(), what);
  address.mark.base = required(fields.number(), what);
  return address;
}

std::string Token::text() const {
  return hex_number(grant) + ":" + hex_number(secret.words[0]) + ":" + hex_number(secret.words[1]);
}

Token Token::parse(const std::string& text) {
  constexpr const char* what = "grant token";
  FieldReader fields(text);
  Token token;
  token.grant = required(fields.number(), what);
  token.secret.words[0] = required(fields.number(), what);
  token.secret.words[1] = required(fields.number(), what);
  return token;
}

}  // namespace kvferry::connected

#endif
