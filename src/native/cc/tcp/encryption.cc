#include "tcp/encryption.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <vector>

#include "core/failure.h"
#include "tcp/openssl.h"

namespace kvferry::tcp {

#ifdef KVFERRY_HAS_OPENSSL

namespace {

constexpr const char* cipher_suite = "TLS_AES_128_GCM_SHA256";
constexpr uint8_t cipher_suite_id[] = {0x13, 0x01};
constexpr size_t key_bytes = 32;
constexpr char key_purpose[] = "kvferry tcp 1 psk";
// So that a system call reads several records.
constexpr size_t read_buffer_bytes = 128 << 10;
// More than OpenSSL can hold: its buffer, and the record that it is reading.
constexpr uint64_t read_ahead_max = 192 << 10;
constexpr size_t discard_bytes = 16 << 10;
// AES-GCM protects 388 GB under one key (RFC 8446, 5.5). New keys come long before that.
constexpr uint64_t bytes_per_key = 256 << 20;

using Key = std::array<uint8_t, key_bytes>;

Key hmac(const OpenSsl& openssl, const uint8_t* key, size_t key_length, const uint8_t* data, size_t length) {
  Key result = {};
  openssl.hmac(openssl.sha256(), key, static_cast<int>(key_length), data, length, result.data(), nullptr);
  return result;
}

// HKDF with SHA-256 (RFC 5869), for one block of output.
Key derive_key(const OpenSsl& openssl, const Secret& secret) {
  const Key salt = {};
  const Key extracted = hmac(openssl, salt.data(), salt.size(), secret.data(), secret.size());
  std::vector<uint8_t> purpose(key_purpose, key_purpose + sizeof key_purpose - 1);
  purpose.push_back(1);
  return hmac(openssl, extracted.data(), extracted.size(), purpose.data(), purpose.size());
}

class SecureWire final : public Wire {
 public:
  // `grants`: null at a sender, which presents `granted`.
  SecureWire(const OpenSsl& openssl, SSL_CTX* context, UniqueFd fd, const Grants* grants, const Granted& granted)
      : Wire(std::move(fd)), openssl_(openssl), ssl_(openssl.ssl_new(context)), grants_(grants), granted_(granted) {
    const bool made = ssl_ != nullptr && openssl_.set_fd(ssl_, this->fd()) == 1 &&
                      openssl_.set_ex_data(ssl_, 0, this) == 1;
    if (!made) {
      openssl_.ssl_free(ssl_);
      throw Failure(Code::fabric_error, "OpenSSL has no memory for a connection");
    }
    grants_ != nullptr ? openssl_.set_accept_state(ssl_) : openssl_.set_connect_state(ssl_);
  }
  ~SecureWire() override { openssl_.ssl_free(ssl_); }

  int establish() override {
    const int result = openssl_.do_handshake(prepared());
    if (result == 1) return 0;
    wants_write_ = openssl_.get_error(ssl_, result) == SSL_ERROR_WANT_WRITE;
    const auto error = static_cast<int>(failure(result));
    return error == 0 ? -ECONNRESET : error;
  }

  bool establishes_by_writing() const override { return wants_write_; }

  ssize_t send(const uint8_t* bytes, size_t length, bool more) override {
    cork(more);
    if (sent_with_key_ >= bytes_per_key) {
      openssl_.key_update(ssl_, SSL_KEY_UPDATE_NOT_REQUESTED);
      sent_with_key_ = 0;
    }
    const int result = openssl_.write(prepared(), bytes, clamp(length));
    if (result <= 0) return failure(result);
    sent_with_key_ += static_cast<uint64_t>(result);
    return result;
  }

  ssize_t send_file(int, uint64_t, size_t) override { return -EOPNOTSUPP; }

  ssize_t receive(Space first, Space) override {
    const int result = openssl_.read(prepared(), first.bytes, clamp(first.length));
    return result > 0 ? result : failure(result);
  }

  ssize_t discard(size_t length) override {
    uint8_t discarded[discard_bytes];
    return receive({discarded, std::min(length, sizeof discarded)}, {nullptr, 0});
  }

  // OpenSSL may have read some of them from the socket already.
  void wait_for(uint64_t bytes) override { wake_at(bytes - std::min(bytes, read_ahead_max)); }

  void finish() override {
    openssl_.shutdown(prepared());
    ::shutdown(fd(), SHUT_WR);
  }

  const Granted& granted() const { return granted_; }
  const Grants* grants() const { return grants_; }

 private:
  // OpenSSL sends record by record. The kernel joins those that others follow.
  void cork(bool more) {
    if (more == corked_) return;
    corked_ = more;
    const int on = more ? 1 : 0;
    ::setsockopt(fd(), IPPROTO_TCP, TCP_CORK, &on, sizeof on);
  }

  static int clamp(size_t length) { return static_cast<int>(std::min<size_t>(length, INT_MAX)); }

  // OpenSSL keeps old errors of the thread, and takes them for new ones.
  SSL* prepared() {
    openssl_.clear_error();
    errno = 0;
    return ssl_;
  }

  ssize_t failure(int result) const {
    const int error = errno;
    switch (openssl_.get_error(ssl_, result)) {
      case SSL_ERROR_WANT_READ:
      case SSL_ERROR_WANT_WRITE:
        return -EAGAIN;
      case SSL_ERROR_ZERO_RETURN:
        return 0;
      case SSL_ERROR_SYSCALL:
        return -error;
      default:
        return -EPROTO;
    }
  }

  const OpenSsl& openssl_;
  SSL* const ssl_;
  const Grants* const grants_;
  const Granted granted_;
  bool wants_write_ = false;
  bool corked_ = false;
  uint64_t sent_with_key_ = 0;
};

// Null when OpenSSL has no memory.
SSL_SESSION* make_session(SSL* ssl, const Secret& secret) {
  const OpenSsl& openssl = OpenSsl::get();
  const Key key = derive_key(openssl, secret);
  const SSL_CIPHER* cipher = openssl.cipher_find(ssl, cipher_suite_id);
  SSL_SESSION* session = openssl.session_new();
  const bool made = session != nullptr && cipher != nullptr &&
                    openssl.session_set1_master_key(session, key.data(), key.size()) == 1 &&
                    openssl.session_set_cipher(session, cipher) == 1 &&
                    openssl.session_set_protocol_version(session, TLS1_3_VERSION) == 1;
  if (made) return session;
  openssl.session_free(session);
  return nullptr;
}

const SecureWire& wire_of(const SSL* ssl) {
  return *static_cast<const SecureWire*>(OpenSsl::get().get_ex_data(ssl, 0));
}

// Called at the receiver. Without a session the handshake fails, because there is no certificate.
int find_session(SSL* ssl, const unsigned char* identity, size_t bytes, SSL_SESSION** session) {
  uint64_t grant = 0;
  *session = nullptr;
  if (bytes != sizeof grant) return 1;
  std::memcpy(&grant, identity, sizeof grant);
  const Grants* grants = wire_of(ssl).grants();
  const Secret* secret = grants == nullptr ? nullptr : grants->secret(grant);
  if (secret != nullptr) *session = make_session(ssl, *secret);
  return 1;
}

// Called at the sender.
int use_session(SSL* ssl, const EVP_MD*, const unsigned char** identity, size_t* bytes, SSL_SESSION** session) {
  const Granted& granted = wire_of(ssl).granted();
  *identity = reinterpret_cast<const unsigned char*>(&granted.grant);
  *bytes = sizeof granted.grant;
  *session = make_session(ssl, granted.secret);
  return *session == nullptr ? 0 : 1;
}

class Tls final : public Encryption {
 public:
  Tls() : openssl_(OpenSsl::get()), context_(openssl_.ctx_new(openssl_.tls_method()), openssl_.ctx_free) {
    SSL_CTX* context = context_.get();
    const bool made = context != nullptr &&
                      openssl_.ctx_ctrl(context, SSL_CTRL_SET_MIN_PROTO_VERSION, TLS1_3_VERSION, nullptr) == 1 &&
                      openssl_.ctx_set_ciphersuites(context, cipher_suite) == 1;
    if (!made) throw Failure(Code::provider_unavailable, "OpenSSL has no TLS 1.3");
    // A kernel with TLS of its own encrypts, if OpenSSL was built for that. Node's is not.
    openssl_.ctx_set_options(context, SSL_OP_NO_TICKET | SSL_OP_ENABLE_KTLS | SSL_OP_IGNORE_UNEXPECTED_EOF);
    openssl_.ctx_set_num_tickets(context, 0);
    openssl_.ctx_ctrl(context, SSL_CTRL_SET_SESS_CACHE_MODE, SSL_SESS_CACHE_OFF, nullptr);
    openssl_.ctx_ctrl(context, SSL_CTRL_SET_READ_AHEAD, 1, nullptr);
    openssl_.ctx_set_default_read_buffer_len(context, read_buffer_bytes);
    openssl_.ctx_ctrl(context, SSL_CTRL_MODE, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
                      nullptr);
    openssl_.ctx_set_psk_find_session_callback(context, find_session);
    openssl_.ctx_set_psk_use_session_callback(context, use_session);
  }

  std::unique_ptr<Wire> of_receiver(UniqueFd fd, const Grants& grants) override {
    return std::make_unique<SecureWire>(openssl_, context_.get(), std::move(fd), &grants, Granted{});
  }

  std::unique_ptr<Wire> of_sender(UniqueFd fd, const Granted& granted) override {
    return std::make_unique<SecureWire>(openssl_, context_.get(), std::move(fd), nullptr, granted);
  }

 private:
  const OpenSsl& openssl_;
  const std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context_;
};

}  // namespace

std::unique_ptr<Encryption> Encryption::make() { return std::make_unique<Tls>(); }

#else

std::unique_ptr<Encryption> Encryption::make() {
  throw Failure(Code::provider_unavailable, "the addon was built without OpenSSL's headers: tcp cannot encrypt");
}

#endif

}  // namespace kvferry::tcp
