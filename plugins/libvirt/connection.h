// SPDX-License-Identifier: Apache-2.0
//
// Connection: one libvirt URI, opened when first needed and again when it died. Session: an open connection for the
// length of one call, and the place where libvirt's failures become Errors.
//
// Ownership: the plugin shares its Connection with running calls and with volume writers. Threading: Connection is
// thread-safe; a Session belongs to one call. What failure looks like: a connection that cannot be opened is
// kUnavailable (or kDenied, or kInvalid for a URI that makes no sense); one that dies under a write is kUnknownOutcome.
//
// Keep-alive: https://libvirt.org/internals/rpc.html#connection-keepalive. Messages are exchanged by a single event
// thread of the process, which also notices that an idle connection was closed.
#pragma once

#include <libvirt/libvirt.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "plugins/call.h"
#include "plugins/libvirt/errors.h"
#include "plugins/libvirt/handles.h"
#include "state/result.h"

namespace vmferry::libvirt {

class Session;

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // `keep_alive_seconds` between two probes; three unanswered ones end the connection. 0: none.
  Connection(std::string name, std::string uri, int keep_alive_seconds);

  // "kvm1 (qemu:///system)"
  const std::string& system() const { return system_; }
  // An open connection; blocks while it is being opened.
  Result<Session> Open(Access access);
  // True if the daemon is on this host, so that a volume's path may name a file of ours.
  bool IsLocal() const;

 private:
  Result<ConnectHandle> OpenAnew();

  const std::string uri_;
  const std::string system_;
  const int keep_alive_seconds_;
  std::mutex mutex_;
  ConnectHandle connect_;  // guarded by mutex_
};

class Session {
 public:
  Session(std::shared_ptr<Connection> connection, ConnectHandle connect, Access access)
      : connection_(std::move(connection)), connect_(std::move(connect)), access_(access) {}

  virConnectPtr get() const { return connect_.get(); }
  const std::shared_ptr<Connection>& connection() const { return connection_; }

  // The Error for libvirt's last failure on this thread: "OBJECT: WHAT: libvirt's words".
  Error Fail(const std::string& object, const std::string& what, const std::string& advice = "") const;
  Error Fail(const Failure& failure, const std::string& object, const std::string& what,
             const std::string& advice = "") const;
  // An Error of our own finding.
  Error Refuse(ErrorKind kind, const std::string& object, const std::string& message,
               const std::string& advice = "") const;

 private:
  std::shared_ptr<Connection> connection_;
  ConnectHandle connect_;
  Access access_;
};

// The URI as it is opened: over ssh, `no_tty=1` is added unless the site says otherwise, because nobody sits at an
// engine's terminal to answer ssh's questions. https://libvirt.org/uri.html#ssh-transport
std::string UnattendedUri(const std::string& uri);
// Whether the URI names a host other than this one.
bool NamesRemoteHost(const std::string& uri);

}  // namespace vmferry::libvirt
