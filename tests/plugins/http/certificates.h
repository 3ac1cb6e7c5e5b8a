// SPDX-License-Identifier: Apache-2.0
//
// A certificate authority of a test's own, and server certificates signed by it, made with OpenSSL's API.
#pragma once

#include <string>

namespace vmferry::testing_http {

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM
};

class Authority {
 public:
  explicit Authority(const std::string& name);
  const std::string& certificate() const { return own_.certificate; }
  // For IP addresses and names: "IP:127.0.0.1,DNS:localhost". `days` from now; negative: expired.
  KeyPair Issue(const std::string& subject_names, int days = 2) const;

 private:
  KeyPair own_;
};

// SHA-256 of the certificate, 64 hex digits.
std::string Thumbprint(const std::string& certificate_pem);

}  // namespace vmferry::testing_http
