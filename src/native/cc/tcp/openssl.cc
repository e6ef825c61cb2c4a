#include "tcp/openssl.h"

#ifdef KVFERRY_HAS_OPENSSL

#include <dlfcn.h>

#include <string>

#include "core/failure.h"

namespace kvferry::tcp {
namespace {

template <typename Function>
void resolve(const char* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(RTLD_DEFAULT, name));
  if (function == nullptr) {
    throw Failure(Code::provider_unavailable, std::string("this Node has no OpenSSL for encryption: no ") + name);
  }
}

OpenSsl load() {
  decltype(&::OPENSSL_version_major) version_major = nullptr;
  resolve("OPENSSL_version_major", version_major);
  if (version_major() != OPENSSL_VERSION_MAJOR) {
    throw Failure(Code::provider_unavailable, "this Node has another OpenSSL than the addon was built for: rebuild it");
  }
  OpenSsl functions = {};
  resolve("SSL_CTX_new", functions.ctx_new);
  resolve("SSL_CTX_free", functions.ctx_free);
  resolve("SSL_CTX_ctrl", functions.ctx_ctrl);
  resolve("SSL_CTX_set_options", functions.ctx_set_options);
  resolve("SSL_CTX_set_ciphersuites", functions.ctx_set_ciphersuites);
  resolve("SSL_CTX_set_num_tickets", functions.ctx_set_num_tickets);
  resolve("SSL_CTX_set_default_read_buffer_len", functions.ctx_set_default_read_buffer_len);
  resolve("SSL_CTX_set_psk_find_session_callback", functions.ctx_set_psk_find_session_callback);
  resolve("SSL_CTX_set_psk_use_session_callback", functions.ctx_set_psk_use_session_callback);
  resolve("TLS_method", functions.tls_method);
  resolve("SSL_new", functions.ssl_new);
  resolve("SSL_free", functions.ssl_free);
  resolve("SSL_set_fd", functions.set_fd);
  resolve("SSL_set_ex_data", functions.set_ex_data);
  resolve("SSL_get_ex_data", functions.get_ex_data);
  resolve("SSL_set_accept_state", functions.set_accept_state);
  resolve("SSL_set_connect_state", functions.set_connect_state);
  resolve("SSL_do_handshake", functions.do_handshake);
  resolve("SSL_read", functions.read);
  resolve("SSL_write", functions.write);
  resolve("SSL_key_update", functions.key_update);
  resolve("SSL_shutdown", functions.shutdown);
  resolve("SSL_get_error", functions.get_error);
  resolve("SSL_CIPHER_find", functions.cipher_find);
  resolve("SSL_SESSION_new", functions.session_new);
  resolve("SSL_SESSION_free", functions.session_free);
  resolve("SSL_SESSION_set1_master_key", functions.session_set1_master_key);
  resolve("SSL_SESSION_set_cipher", functions.session_set_cipher);
  resolve("SSL_SESSION_set_protocol_version", functions.session_set_protocol_version);
  resolve("ERR_clear_error", functions.clear_error);
  resolve("HMAC", functions.hmac);
  resolve("EVP_sha256", functions.sha256);
  return functions;
}

}  // namespace

const OpenSsl& OpenSsl::get() {
  static const OpenSsl functions = load();
  return functions;
}

}  // namespace kvferry::tcp

#endif
