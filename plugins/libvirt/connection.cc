// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/connection.h"

#include <libvirt/virterror.h>

#include <thread>
#include <utility>

namespace vmferry::libvirt {
namespace {

constexpr unsigned kUnansweredProbes = 3;

// The event loop must be registered before the first connection is opened and runs as long as the process; its thread
// owns nothing that needs an orderly end.
void StartEventLoop() {
  static std::once_flag once;
  std::call_once(once, [] {
    SilenceStderr();
    if (virEventRegisterDefaultImpl() < 0) return;
    std::thread([] {
      while (virEventRunDefaultImpl() == 0) {
      }
    }).detach();
  });
}

std::string Scheme(const std::string& uri) {
  return uri.substr(0, uri.find(':'));
}

}  // namespace

std::string UnattendedUri(const std::string& uri) {
  const std::string scheme = Scheme(uri);
  const bool ssh = scheme.ends_with("+ssh") || scheme.ends_with("+libssh") || scheme.ends_with("+libssh2");
  if (!ssh || uri.find("no_tty=") != std::string::npos) return uri;
  return uri + (uri.find('?') == std::string::npos ? "?" : "&") + "no_tty=1";
}

bool NamesRemoteHost(const std::string& uri) {
  const auto slashes = uri.find("://");
  if (slashes == std::string::npos) return false;
  const auto start = slashes + 3;
  return start < uri.size() && uri[start] != '/' && uri[start] != '?';
}

Connection::Connection(std::string name, std::string uri, int keep_alive_seconds)
    : uri_(std::move(uri)), system_(name + " (" + uri_ + ")"), keep_alive_seconds_(keep_alive_seconds) {}

bool Connection::IsLocal() const {
  return !NamesRemoteHost(uri_);
}

Result<Session> Connection::Open(Access access) {
  const std::scoped_lock lock(mutex_);
  if (!connect_ || virConnectIsAlive(connect_.get()) != 1) {
    connect_.reset();
    Result<ConnectHandle> opened = OpenAnew();
    if (!opened) return opened.error();
    connect_ = *opened;
  }
  return Session(shared_from_this(), connect_, access);
}

Result<ConnectHandle> Connection::OpenAnew() {
  StartEventLoop();
  virConnectPtr raw = virConnectOpen(UnattendedUri(uri_).c_str());
  if (raw == nullptr) {
    const Failure failure = LastFailure();
    return Error{KindOfConnect(failure), system_, "", "cannot connect: " + failure.message,
                 "check that the daemon runs there and that `virsh -c " + uri_ + " version` works for this user"};
  }
  ConnectHandle connect(raw, [](virConnectPtr open) { virConnectClose(open); });
  // Drivers inside this process (test://) have no keep-alive and need none.
  if (keep_alive_seconds_ > 0 && virConnectSetKeepAlive(raw, keep_alive_seconds_, kUnansweredProbes) < 0)
    virResetLastError();
  return connect;
}

Error Session::Fail(const std::string& object, const std::string& what, const std::string& advice) const {
  return Fail(LastFailure(), object, what, advice);
}

Error Session::Fail(const Failure& failure, const std::string& object, const std::string& what,
                    const std::string& advice) const {
  const bool lost = virConnectIsAlive(connect_.get()) == 0;
  virResetLastError();
  return Error{KindOfCall(failure, access_, lost), connection_->system(), object, what + ": " + failure.message,
               advice};
}

Error Session::Refuse(ErrorKind kind, const std::string& object, const std::string& message,
                      const std::string& advice) const {
  return Error{kind, connection_->system(), object, message, advice};
}

}  // namespace vmferry::libvirt
