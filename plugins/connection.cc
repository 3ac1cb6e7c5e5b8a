// SPDX-License-Identifier: Apache-2.0
#include "plugins/connection.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace vmferry {
namespace {

std::string SystemText(int code) {
  return std::generic_category().message(code);
}

// OpenSSL's own socket BIO writes with write(2) and so can raise SIGPIPE in a process that did not ask for that.
int BioWrite(BIO* bio, const char* data, int size) {
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t count = send(fd, data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(count);
}

int BioRead(BIO* bio, char* data, int size) {
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const ssize_t count = recv(fd, data, static_cast<std::size_t>(size), 0);
  if (count < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (count == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(count);
}

long BioControl(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

BIO* NewSocketBio(int fd) {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, BioWrite);
    BIO_meth_set_read(made, BioRead);
    BIO_meth_set_ctrl(made, BioControl);
    return made;
  }();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(bio, 1);
  return bio;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

// What the resolving thread and its caller share; the last of the two frees it.
struct Lookup {
  std::mutex mutex;
  bool finished = false;
  int code = 0;
  std::vector<Address> addresses;
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  ~Lookup() {
    if (event >= 0) close(event);
  }
};

void Resolve(const std::string& host, const std::string& port, int flags, Lookup* lookup) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  const std::lock_guard lock(lookup->mutex);
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Address address;
    std::memcpy(&address.storage, one->ai_addr, one->ai_addrlen);
    address.size = one->ai_addrlen;
    lookup->addresses.push_back(address);
  }
  if (found != nullptr) freeaddrinfo(found);
  lookup->code = code;
  lookup->finished = true;
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(lookup->event, &one, sizeof one);
}

Error Unreachable(const Url& server, const std::string& why, const std::string& advice) {
  return Error{ErrorKind::kUnavailable, "", "", "cannot reach " + server.host + " port " + server.port + ": " + why,
               advice};
}

Error GaveUp(const Url& server, Deadline::Wait wait, const std::string& doing) {
  if (wait == Deadline::Wait::kStopped) return Unreachable(server, "stopped on request while " + doing, "");
  return Unreachable(server, "no answer in time while " + doing,
                     "check address, port, firewall and whether the system is up");
}

Result<std::vector<Address>> AddressesOf(const Url& server, Deadline& deadline) {
  auto lookup = std::make_shared<Lookup>();
  Resolve(server.host, server.port, AI_NUMERICHOST, lookup.get());
  if (lookup->code == 0) return lookup->addresses;
  lookup = std::make_shared<Lookup>();
  std::thread([lookup, host = server.host, port = server.port] {
    Resolve(host, port, AI_ADDRCONFIG, lookup.get());
  }).detach();
  const Deadline::Wait wait = deadline.For(lookup->event, POLLIN);
  const std::lock_guard lock(lookup->mutex);
  if (!lookup->finished) return GaveUp(server, wait, "resolving the host's name");
  if (lookup->code != 0)
    return Unreachable(server, std::string("the host's name does not resolve: ") + gai_strerror(lookup->code),
                       "check the host name in the address and this machine's DNS");
  return lookup->addresses;
}

// A connected socket, or -1 with the reason.
int ConnectOne(const Address& address, Deadline& deadline, std::string* why) {
  const int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    *why = SystemText(errno);
    return -1;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int code = connect(fd, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0 ? 0 : errno;
  if (code == EINPROGRESS) {
    socklen_t size = sizeof code;
    const Deadline::Wait wait = deadline.For(fd, POLLOUT);
    if (wait == Deadline::Wait::kReady)
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &size);
    else
      code = wait == Deadline::Wait::kStopped ? ECANCELED : ETIMEDOUT;
  }
  if (code == 0) return fd;
  *why = SystemText(code);
  close(fd);
  return -1;
}

}  // namespace

struct Deadline::Wake {
  struct Write {
    int fd;
    void operator()() const {
      const std::uint64_t one = 1;
      [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof one);
    }
  };
  std::stop_callback<Write> callback;
};

Deadline::Deadline(std::chrono::milliseconds timeout, std::stop_token stop)
    : stop_(std::move(stop)), end_(SteadyClock::now() + timeout) {
  if (!stop_.stop_possible()) return;
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  wake_.reset(new Wake{std::stop_callback<Wake::Write>(stop_, Wake::Write{event_})});
}

Deadline::~Deadline() {
  wake_.reset();
  if (event_ >= 0) close(event_);
}

void Deadline::Restart(std::chrono::milliseconds timeout) {
  end_ = SteadyClock::now() + timeout;
}

std::chrono::milliseconds Deadline::Left() const {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - SteadyClock::now());
  return std::max(left, std::chrono::milliseconds(0));
}

Deadline::Wait Deadline::For(int fd, short events) const {
  for (;;) {
    if (stopped()) return Wait::kStopped;
    std::array<pollfd, 2> set{{{fd, events, 0}, {event_, POLLIN, 0}}};
    const auto left = std::min<std::chrono::milliseconds>(Left(), std::chrono::hours(1));
    const int ready = poll(set.data(), set.size(), static_cast<int>(left.count()));
    if (stopped()) return Wait::kStopped;
    if (set[0].revents != 0) return Wait::kReady;
    if (ready == 0 && Left().count() == 0) return Wait::kTimedOut;
  }
}

Connection::Connection(int fd, std::shared_ptr<const TlsClient> tls) : fd_(fd), tls_(std::move(tls)) {}

Connection::~Connection() {
  if (ssl_ != nullptr) {
    // Says good-bye without waiting for an answer.
    SSL_shutdown(ssl_);
    SSL_free(ssl_);
    ERR_clear_error();
  }
  close(fd_);
}

Result<std::unique_ptr<Connection>> Connection::Open(const Url& server, std::shared_ptr<const TlsClient> tls,
                                                     Deadline& deadline) {
  auto addresses = AddressesOf(server, deadline);
  if (!addresses) return addresses.error();
  std::string why = "it has no address";
  int fd = -1;
  for (std::size_t i = 0; i < addresses->size() && fd < 0; ++i) {
    // Each address gets its share, so that one dead address does not use up the time of the others.
    Deadline share(deadline.Left() / static_cast<int>(addresses->size() - i), deadline.stop());
    fd = ConnectOne((*addresses)[i], share, &why);
  }
  if (fd < 0) return Unreachable(server, why, "check address, port, firewall and whether the system is up");
  std::unique_ptr<Connection> connection(new Connection(fd, std::move(tls)));
  if (connection->tls_) {
    const Status shaken = connection->Handshake(server, deadline);
    if (!shaken) return shaken.error();
  }
  return connection;
}

Status Connection::Handshake(const Url& server, Deadline& deadline) {
  auto session = tls_->NewSession(server.host, &complaint_);
  if (!session) return session.error();
  ssl_ = *session;
  BIO* bio = NewSocketBio(fd_);
  SSL_set_bio(ssl_, bio, bio);
  for (;;) {
    ERR_clear_error();
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) return Ok();
    const std::optional<Io> end = Settle(result, deadline);
    if (!end) continue;
    if (complaint_.cause != CertificateComplaint::Cause::kNone) return tls_->Refusal(server.host, complaint_);
    if (end->end == IoEnd::kStopped) return GaveUp(server, Deadline::Wait::kStopped, "starting TLS");
    if (end->end == IoEnd::kTimedOut) return GaveUp(server, Deadline::Wait::kTimedOut, "starting TLS");
    return Unreachable(server, "TLS cannot be started: " + end->detail, "check that this port speaks TLS 1.2 or newer");
  }
}

std::optional<Io> Connection::WaitFor(short events, Deadline& deadline) const {
  switch (deadline.For(fd_, events)) {
    case Deadline::Wait::kReady:
      return std::nullopt;
    case Deadline::Wait::kTimedOut:
      return Io{0, IoEnd::kTimedOut, "no answer in time"};
    case Deadline::Wait::kStopped:
      break;
  }
  return Io{0, IoEnd::kStopped, "stopped on request"};
}

std::optional<Io> Connection::Settle(int result, Deadline& deadline) {
  const int system_code = errno;
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return WaitFor(POLLIN, deadline);
    case SSL_ERROR_WANT_WRITE:
      return WaitFor(POLLOUT, deadline);
    case SSL_ERROR_ZERO_RETURN:
      return Io{0, IoEnd::kClosed, "the server closed the connection"};
    case SSL_ERROR_SYSCALL:
      return Io{0, IoEnd::kBroken, system_code != 0 ? SystemText(system_code) : "the server closed the connection"};
    default:
      break;
  }
  const unsigned long code = ERR_peek_last_error();
  if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING)
    return Io{0, IoEnd::kBroken, "the server closed the connection"};
  const char* reason = ERR_reason_error_string(code);
  return Io{0, IoEnd::kBroken, reason != nullptr ? reason : "TLS failed"};
}

Io Connection::Read(std::span<std::byte> buffer, Deadline& deadline) {
  for (;;) {
    if (deadline.stopped()) return Io{0, IoEnd::kStopped, "stopped on request"};
    if (ssl_ != nullptr) {
      ERR_clear_error();
      errno = 0;
      std::size_t count = 0;
      const int result = SSL_read_ex(ssl_, buffer.data(), buffer.size(), &count);
      if (result == 1) return Io{count, IoEnd::kNone, ""};
      if (std::optional<Io> end = Settle(result, deadline)) return *std::move(end);
      continue;
    }
    const ssize_t count = recv(fd_, buffer.data(), buffer.size(), 0);
    if (count > 0) return Io{static_cast<std::size_t>(count), IoEnd::kNone, ""};
    if (count == 0) return Io{0, IoEnd::kClosed, "the server closed the connection"};
    if (errno != EAGAIN && errno != EINTR) return Io{0, IoEnd::kBroken, SystemText(errno)};
    if (std::optional<Io> end = WaitFor(POLLIN, deadline)) return *std::move(end);
  }
}

Io Connection::Write(std::span<const std::byte> bytes, Deadline& deadline) {
  for (;;) {
    if (deadline.stopped()) return Io{0, IoEnd::kStopped, "stopped on request"};
    if (ssl_ != nullptr) {
      ERR_clear_error();
      errno = 0;
      std::size_t count = 0;
      const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &count);
      if (result == 1) return Io{count, IoEnd::kNone, ""};
      if (std::optional<Io> end = Settle(result, deadline)) return *std::move(end);
      continue;
    }
    const ssize_t count = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count > 0) return Io{static_cast<std::size_t>(count), IoEnd::kNone, ""};
    if (errno != EAGAIN && errno != EINTR) return Io{0, IoEnd::kBroken, SystemText(errno)};
    if (std::optional<Io> end = WaitFor(POLLOUT, deadline)) return *std::move(end);
  }
}

bool Connection::Quiet() {
  std::byte one{};
  if (ssl_ == nullptr) return recv(fd_, &one, 1, MSG_PEEK) < 0 && errno == EAGAIN;
  // Peeking also takes in what TLS 1.3 sends between answers (session tickets).
  ERR_clear_error();
  const int result = SSL_peek(ssl_, &one, 1);
  const bool quiet = result <= 0 && SSL_get_error(ssl_, result) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  return quiet;
}

}  // namespace vmferry
