// SPDX-License-Identifier: Apache-2.0
//
// A server on loopback for tests of HTTP clients: every request is given to a script, which says what bytes go back.
// With or without TLS, the certificate made on the spot. One thread a server; it ends with the object.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace vmferry::test {

// A certificate and its key, PEM.
struct Certificate {
  std::string pem;
  std::string key;
};
struct CertificateSpec {
  std::string common_name = "test server";
  std::string names = "IP:127.0.0.1,DNS:localhost";  // subject alternative names
  int from_days = -1, to_days = 30;                  // validity, relative to now
  const Certificate* signer = nullptr;               // self-signed without one
};
Certificate MakeCertificate(const CertificateSpec& spec);

// Special answers of a script.
inline const std::string kClose =
    "\x01"
    "close";  // closes without an answer
inline const std::string kHang =
    "\x01"
    "hang";  // answers nothing until the client goes

// A whole answer with Content-Length.
std::string HttpAnswer(int status, const std::string& body, const std::string& more_headers = "");

class ScriptedServer {
 public:
  using Script = std::function<std::string(const std::string& request)>;
  // An answer that has the header "Connection: close", or is shorter than it says, is followed by a close.
  explicit ScriptedServer(Script script, const Certificate* certificate = nullptr);
  ~ScriptedServer();
  std::string url() const;  // "https://127.0.0.1:PORT" or "http://..."
  int port() const { return port_; }
  int connections() const { return connections_; }
  std::vector<std::string> requests() const;

 private:
  struct Peer;
  void Serve();
  void Converse(Peer& peer);

  Script script_;
  std::unique_ptr<Certificate> certificate_;
  int listener_ = -1, port_ = 0, stop_[2] = {-1, -1};
  std::atomic<int> connections_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> requests_;
  std::vector<std::jthread> peers_;
  std::jthread thread_;
};

// A file in the test's temporary directory, removed with the object.
class TempFile {
 public:
  explicit TempFile(const std::string& text);
  ~TempFile();
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace vmferry::test
