// SPDX-License-Identifier: Apache-2.0
#include "tests/plugins/http/test_server.h"

#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <utility>

namespace vmferry::testing_http {
namespace {

using Session = std::unique_ptr<SSL, decltype(&SSL_free)>;

int Listen(int* port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0 || listen(fd, 8) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error("cannot listen on 127.0.0.1");
  *port = ntohs(address.sin_port);
  return fd;
}

SSL_CTX* ServerContext(const std::optional<KeyPair>& pair) {
  if (!pair) return nullptr;
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  const auto memory = [](const std::string& text) {
    return std::unique_ptr<BIO, decltype(&BIO_free)>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                     BIO_free);
  };
  X509* certificate = PEM_read_bio_X509(memory(pair->certificate).get(), nullptr, nullptr, nullptr);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(memory(pair->key).get(), nullptr, nullptr, nullptr);
  SSL_CTX_use_certificate(context, certificate);
  SSL_CTX_use_PrivateKey(context, key);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

}  // namespace

TestServer::TestServer(Handler handler, std::optional<KeyPair> tls)
    : handler_(std::move(handler)), tls_(ServerContext(tls), SSL_CTX_free), wake_(eventfd(0, EFD_CLOEXEC)) {
  listener_ = Listen(&port_);
  thread_ = std::thread([this] { Run(); });
}

TestServer::~TestServer() {
  eventfd_write(wake_, 1);
  thread_.join();
  close(listener_);
  close(wake_);
}

void TestServer::Run() {
  for (;;) {
    std::array<pollfd, 2> waits{{{wake_, POLLIN, 0}, {listener_, POLLIN, 0}}};
    poll(waits.data(), waits.size(), -1);
    if (waits[0].revents != 0) break;
    const int connection = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    const timeval bound{10, 0};
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    connections_.emplace_back([this, connection] {
      Serve(connection);
      close(connection);
    });
  }
  for (std::thread& connection : connections_) connection.join();
}

void TestServer::Serve(int connection) {
  const Session session(tls_ ? SSL_new(tls_.get()) : nullptr, SSL_free);
  if (session) {
    SSL_set_fd(session.get(), connection);
    if (SSL_accept(session.get()) != 1) return;
  }
  std::string head;
  char c = 0;
  while (!head.ends_with("\r\n\r\n") &&
         (session ? SSL_read(session.get(), &c, 1) : static_cast<int>(recv(connection, &c, 1, 0))) == 1)
    head += c;
  {
    const std::scoped_lock lock(mutex_);
    requests_.push_back(head);
  }
  const std::string answer = handler_(head);
  if (answer.empty()) {
    std::array<pollfd, 2> waits{{{wake_, POLLIN, 0}, {connection, POLLIN | POLLRDHUP, 0}}};
    poll(waits.data(), waits.size(), -1);
    return;
  }
  const int size = static_cast<int>(answer.size());
  if (!session) send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
  if (session && SSL_write(session.get(), answer.data(), size) == size) SSL_shutdown(session.get());
}

std::string TestServer::Url(const std::string& path) const {
  return std::string(tls_ ? "https" : "http") + "://127.0.0.1:" + std::to_string(port_) + path;
}

std::vector<std::string> TestServer::requests() const {
  const std::scoped_lock lock(mutex_);
  return requests_;
}

std::string Respond(const std::string& status, const std::string& body, const std::string& more_headers) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more_headers + "\r\n" +
         body;
}

int FreePort() {
  int port = 0;
  close(Listen(&port));
  return port;
}

}  // namespace vmferry::testing_http
