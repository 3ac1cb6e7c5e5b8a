// SPDX-License-Identifier: Apache-2.0
//
// TestServer: an HTTP or HTTPS server on a free port of 127.0.0.1 that answers every request with the bytes a function
// gives, so that it can also answer badly, and then closes. A function that answers "" lets the client wait until it
// gives up.
// Owner: the test; the destructor ends the threads. Threading: the function is called from several threads at once.
#pragma once

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tests/plugins/http/certificates.h"

namespace vmferry::testing_http {

class TestServer {
 public:
  using Handler = std::function<std::string(const std::string& request_head)>;
  explicit TestServer(Handler handler, std::optional<KeyPair> tls = std::nullopt);
  ~TestServer();

  std::string Url(const std::string& path) const;
  int port() const { return port_; }
  std::vector<std::string> requests() const;  // heads, as received

 private:
  void Run();
  void Serve(int connection);

  Handler handler_;
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> tls_;
  int listener_ = -1;
  int wake_ = -1;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::thread> connections_;  // the listening thread's own
  std::thread thread_;
};

// "HTTP/1.1 200 OK" with a length and the body.
std::string Respond(const std::string& status, const std::string& body, const std::string& more_headers = "");

// A port of 127.0.0.1 nobody listens on at the moment.
int FreePort();

}  // namespace vmferry::testing_http
