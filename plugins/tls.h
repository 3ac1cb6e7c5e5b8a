// SPDX-License-Identifier: Apache-2.0
//
// Whom a TLS client trusts, and why a server was refused. Certificate checks are always on: either the chain and the
// host's name (or IP address) are verified against a CA file or the system's store, or the server's certificate must
// be exactly the pinned one, by its SHA-256 thumbprint (then name, chain and dates are not looked at: the pin is the
// identity). A server is refused during the handshake, before a byte of a request is sent.
//
// Threading: a TlsClient may be used from several threads at once; it is immutable.
// Source: RFC 6125 (names), OpenSSL 3.0 X509_verify_cert(3), SSL_CTX_set_cert_verify_callback(3).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "state/result.h"

struct ssl_st;

namespace vmferry {

struct TlsTrust {
  std::string ca_file;     // PEM bundle; empty: the system's store
  std::string thumbprint;  // SHA-256 of the server's certificate, "AA:BB:.." or plain hex; when given, it alone decides
};

// 64 lower-case hex digits from "AA:BB:.." or plain hex in either case; anything else is kInvalid with advice.
Result<std::string> NormalizeThumbprint(std::string_view text);

// "AA:BB:..": as browsers, vCenter and `openssl x509 -fingerprint -sha256` print it.
std::string ThumbprintForPeople(std::string_view hex);

// The SHA-256 thumbprint (64 hex digits) of the first certificate in a PEM text.
Result<std::string> ThumbprintOfPem(std::string_view pem);

// What was wrong with a server's certificate.
struct CertificateComplaint {
  enum class Cause { kNone, kNotTrusted, kWrongHostName, kExpired, kNotYetValid, kWrongThumbprint };
  Cause cause = Cause::kNone;
  std::string detail;   // the library's words: "self-signed certificate"
  std::string subject;  // "CN = vc1.example.com"
  std::string issuer;
  std::string names;       // what the certificate is for: "vc1.example.com, 10.0.0.5"
  std::string valid;       // "2025-01-01 to 2026-01-01"
  std::string thumbprint;  // as presented: 64 hex digits
};

// One TLS client configuration: trust plus protocol limits (TLS 1.2 or newer).
class TlsClient {
 public:
  // kInvalid when the CA file cannot be read or the thumbprint is malformed.
  static Result<std::shared_ptr<const TlsClient>> Make(const TlsTrust& trust);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // A client-side SSL bound to `host` (SNI and name check); the caller owns it (SSL_free). When verification fails,
  // the handshake fails and *complaint says why. `complaint` must outlive the handshake.
  Result<ssl_st*> NewSession(const std::string& host, CertificateComplaint* complaint) const;

  // The complaint as an Error of kind denied, with advice to pin the thumbprint or to name a CA.
  Error Refusal(const std::string& host, const CertificateComplaint& complaint) const;

 private:
  struct State;
  explicit TlsClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace vmferry
