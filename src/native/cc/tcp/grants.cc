#include "tcp/grants.h"

#include <algorithm>
#include <cstring>

#include "core/failure.h"
#include "core/fields.h"
#include "core/random.h"

namespace kvferry::tcp {
namespace {

constexpr size_t grants_max = 1024;

Secret make_secret() {
  Secret secret = {};
  for (size_t i = 0; i < secret.size(); i += sizeof(uint64_t)) {
    const uint64_t word = random_nonzero();
    std::memcpy(secret.data() + i, &word, sizeof word);
  }
  return secret;
}

}  // namespace

std::optional<Granted> parse_token(const std::string& token) {
  FieldReader fields(token);
  const auto grant = fields.number();
  const auto secret = grant ? fields.bytes() : std::nullopt;
  if (!secret || secret->size() != secret_bytes) return std::nullopt;
  Granted granted = {*grant, {}};
  std::copy(secret->begin(), secret->end(), granted.secret.begin());
  return granted;
}

uint64_t Grants::add(std::string& token) {
  if (secrets_.size() == grants_max) {
    throw Failure(Code::fabric_error, "this receiver has too many grants: at most " + std::to_string(grants_max));
  }
  const Secret secret = make_secret();
  secrets_.emplace(++last_, secret);
  token = hex_number(last_) + ":" + hex_bytes({secret.begin(), secret.end()});
  return last_;
}

bool Grants::admits(uint64_t grant, const Secret& secret) const {
  const Secret* known = this->secret(grant);
  if (known == nullptr) return false;
  volatile uint8_t differences = 0;
  for (size_t i = 0; i < secret.size(); i++) differences = differences | (secret[i] ^ (*known)[i]);
  return differences == 0;
}

const Secret* Grants::secret(uint64_t grant) const {
  const auto found = secrets_.find(grant);
  return found == secrets_.end() ? nullptr : &found->second;
}

}  // namespace kvferry::tcp
