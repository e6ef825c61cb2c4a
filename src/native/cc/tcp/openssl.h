// OpenSSL, as Node brings it: its symbols are found at run time, so the addon also works with a Node that has none.
#pragma once

#if defined(__has_include)
#if __has_include(<openssl/ssl.h>)
#define KVFERRY_HAS_OPENSSL 1
#endif
#endif

#ifdef KVFERRY_HAS_OPENSSL

#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/ssl.h>

namespace kvferry::tcp {

struct OpenSsl {
  decltype(&::SSL_CTX_new) ctx_new;
  decltype(&::SSL_CTX_free) ctx_free;
  decltype(&::SSL_CTX_ctrl) ctx_ctrl;
  decltype(&::SSL_CTX_set_options) ctx_set_options;
  decltype(&::SSL_CTX_set_ciphersuites) ctx_set_ciphersuites;
  decltype(&::SSL_CTX_set_num_tickets) ctx_set_num_tickets;
  decltype(&::SSL_CTX_set_default_read_buffer_len) ctx_set_default_read_buffer_len;
  decltype(&::SSL_CTX_set_psk_find_session_callback) ctx_set_psk_find_session_callback;
  decltype(&::SSL_CTX_set_psk_use_session_callback) ctx_set_psk_use_session_callback;
  decltype(&::TLS_method) tls_method;
  decltype(&::SSL_new) ssl_new;
  decltype(&::SSL_free) ssl_free;
  decltype(&::SSL_set_fd) set_fd;
  decltype(&::SSL_set_ex_data) set_ex_data;
  decltype(&::SSL_get_ex_data) get_ex_data;
  decltype(&::SSL_set_accept_state) set_accept_state;
  decltype(&::SSL_set_connect_state) set_connect_state;
  decltype(&::SSL_do_handshake) do_handshake;
  decltype(&::SSL_read) read;
  decltype(&::SSL_write) write;
  decltype(&::SSL_key_update) key_update;
  decltype(&::SSL_shutdown) shutdown;
  decltype(&::SSL_get_error) get_error;
  decltype(&::SSL_CIPHER_find) cipher_find;
  decltype(&::SSL_SESSION_new) session_new;
  decltype(&::SSL_SESSION_free) session_free;
  decltype(&::SSL_SESSION_set1_master_key) session_set1_master_key;
  decltype(&::SSL_SESSION_set_cipher) session_set_cipher;
  decltype(&::SSL_SESSION_set_protocol_version) session_set_protocol_version;
  decltype(&::ERR_clear_error) clear_error;
  decltype(&::HMAC) hmac;
  decltype(&::EVP_sha256) sha256;

  // Throws Failure(provider_unavailable).
  static const OpenSsl& get();
};

}  // namespace kvferry::tcp

#endif
