// Encrypted wires: TLS 1.3, with a key that both ends derive from the secret of a grant. The secret travels over NATS, so
// there are no certificates. A fresh key exchange in each handshake keeps old traffic secret if a token leaks later.
//
// Belongs to the thread of its transport.
#pragma once

#include <memory>

#include "tcp/grants.h"
#include "tcp/wire.h"

namespace kvferry::tcp {

class Encryption {
 public:
  // Throws Failure(provider_unavailable) when this Node has no OpenSSL.
  static std::unique_ptr<Encryption> make();
  virtual ~Encryption() = default;

  // `grants`: those that a peer may name. It outlives the wire.
  virtual std::unique_ptr<Wire> of_receiver(UniqueFd fd, const Grants& grants) = 0;
  virtual std::unique_ptr<Wire> of_sender(UniqueFd fd, const Granted& granted) = 0;
};

}  // namespace kvferry::tcp
