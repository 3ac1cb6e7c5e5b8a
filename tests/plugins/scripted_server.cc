// SPDX-License-Identifier: Apache-2.0
#include "tests/plugins/scripted_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>

namespace vmferry::test {
namespace {

std::string PemOf(const std::function<void(BIO*)>& write) {
  BIO* bio = BIO_new(BIO_s_mem());
  write(bio);
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  std::string text(data, static_cast<std::size_t>(size));
  BIO_free(bio);
  return text;
}

BIO* MemoryBio(const std::string& text) {
  return BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
}

X509* ReadCertificate(const std::string& pem) {
  BIO* bio = MemoryBio(pem);
  X509* x509 = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return x509;
}

EVP_PKEY* ReadKey(const std::string& pem) {
  BIO* bio = MemoryBio(pem);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  return key;
}

void AddExtension(X509* x509, int nid, const std::string& value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  X509_add_ext(x509, extension, -1);
  X509_EXTENSION_free(extension);
}

// Whether a whole request (head and announced body) is there.
bool Whole(const std::string& text) {
  const auto head = text.find("\r\n\r\n");
  if (head == std::string::npos) return false;
  const auto length = text.find("Content-Length: ");
  const std::size_t body = length < head ? std::strtoul(text.c_str() + length + 16, nullptr, 10) : 0;
  return text.size() >= head + 4 + body;
}

}  // namespace

Certificate MakeCertificate(const CertificateSpec& spec) {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* x509 = X509_new();
  X509_set_version(x509, 2);
  static std::atomic<int> serial{1};
  ASN1_INTEGER_set(X509_get_serialNumber(x509), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(x509), 86400L * spec.from_days);
  X509_gmtime_adj(X509_getm_notAfter(x509), 86400L * spec.to_days);
  X509_set_pubkey(x509, key);
  X509_NAME* name = X509_get_subject_name(x509);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
  if (spec.names.empty())
    AddExtension(x509, NID_basic_constraints, "critical,CA:TRUE");
  else
    AddExtension(x509, NID_subject_alt_name, spec.names);
  X509* issuer = spec.signer != nullptr ? ReadCertificate(spec.signer->pem) : x509;
  EVP_PKEY* issuer_key = spec.signer != nullptr ? ReadKey(spec.signer->key) : key;
  X509_set_issuer_name(x509, X509_get_subject_name(issuer));
  X509_sign(x509, issuer_key, EVP_sha256());
  Certificate made{PemOf([&](BIO* bio) { PEM_write_bio_X509(bio, x509); }),
                   PemOf([&](BIO* bio) { PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr); })};
  if (spec.signer != nullptr) {
    X509_free(issuer);
    EVP_PKEY_free(issuer_key);
  }
  X509_free(x509);
  EVP_PKEY_free(key);
  return made;
}

std::string HttpAnswer(int status, const std::string& body, const std::string& more_headers) {
  return "HTTP/1.1 " + std::to_string(status) + " Whatever\r\n" + more_headers +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct ScriptedServer::Peer {
  int fd = -1;
  SSL_CTX* context = nullptr;
  SSL* ssl = nullptr;
  ~Peer() {
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
  }
  bool Start(const Certificate* certificate) {
    if (certificate == nullptr) return true;
    context = SSL_CTX_new(TLS_server_method());
    X509* x509 = ReadCertificate(certificate->pem);
    EVP_PKEY* key = ReadKey(certificate->key);
    SSL_CTX_use_certificate(context, x509);
    SSL_CTX_use_PrivateKey(context, key);
    X509_free(x509);
    EVP_PKEY_free(key);
    ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    const bool shaken = SSL_accept(ssl) == 1;
    ERR_clear_error();
    return shaken;
  }
  long Read(char* data, std::size_t size) {
    return ssl != nullptr ? SSL_read(ssl, data, static_cast<int>(size)) : recv(fd, data, size, 0);
  }
  bool Write(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
      const long count = ssl != nullptr ? SSL_write(ssl, text.data() + at, static_cast<int>(text.size() - at))
                                        : send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (count <= 0) return false;
      at += static_cast<std::size_t>(count);
    }
    return true;
  }
};

ScriptedServer::ScriptedServer(Script script, const Certificate* certificate) : script_(std::move(script)) {
  if (certificate != nullptr) certificate_ = std::make_unique<Certificate>(*certificate);
  signal(SIGPIPE, SIG_IGN);  // this server's own TLS writes; the client under test must not need it
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(listener_, 16), 0);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  EXPECT_EQ(pipe(stop_), 0);
  thread_ = std::jthread([this] { Serve(); });
}

ScriptedServer::~ScriptedServer() {
  close(stop_[1]);
  thread_.join();
  peers_.clear();
  close(stop_[0]);
  close(listener_);
}

std::string ScriptedServer::url() const {
  return (certificate_ ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port_);
}

std::vector<std::string> ScriptedServer::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

void ScriptedServer::Serve() {
  for (;;) {
    std::array<pollfd, 2> set{{{listener_, POLLIN, 0}, {stop_[0], POLLIN, 0}}};
    poll(set.data(), set.size(), -1);
    if (set[1].revents != 0) return;
    const int fd = accept(listener_, nullptr, nullptr);
    if (fd < 0) continue;
    ++connections_;
    peers_.emplace_back([this, fd] {
      Peer peer;
      peer.fd = fd;
      // A peer that is waiting for its client is woken when the server ends.
      std::jthread closer([this, fd](const std::stop_token& stop) {
        pollfd ended{stop_[0], POLLIN, 0};
        while (!stop.stop_requested() && poll(&ended, 1, 20) == 0) {
        }
        if (!stop.stop_requested()) shutdown(fd, SHUT_RDWR);
      });
      if (peer.Start(certificate_.get())) Converse(peer);
    });
  }
}

void ScriptedServer::Converse(Peer& peer) {
  std::array<char, 65536> buffer{};
  for (;;) {
    std::string request;
    while (!Whole(request)) {
      const long count = peer.Read(buffer.data(), buffer.size());
      if (count <= 0) return;
      request.append(buffer.data(), static_cast<std::size_t>(count));
    }
    {
      const std::lock_guard lock(mutex_);
      requests_.push_back(request);
    }
    const std::string answer = script_(request);
    if (answer == kClose) return;
    if (answer == kHang) {
      while (peer.Read(buffer.data(), buffer.size()) > 0) {
      }
      return;
    }
    if (!peer.Write(answer) || !Whole(answer) || answer.find("Connection: close") != std::string::npos) return;
  }
}

TempFile::TempFile(const std::string& text) {
  std::string pattern = ::testing::TempDir() + "vmferry.XXXXXX";
  const int fd = mkstemp(pattern.data());
  path_ = pattern;
  close(fd);
  std::ofstream(path_, std::ios::binary) << text;
}

TempFile::~TempFile() {
  unlink(path_.c_str());
}

}  // namespace vmferry::test
