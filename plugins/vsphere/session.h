// SPDX-License-Identifier: Apache-2.0
//
// Session: a login at a vCenter or ESXi host, made at the first call and renewed when the server forgets it.
//
// Threading: any number of threads. One of them logs in while the others wait, each within its own deadline.
// Repeating: a call is replayed only after a NotAuthenticated fault, which says that it was not executed, and only
// once. After a refused password the same refusal is answered for kRefusalHolds without asking the server, so that many
// callers do not lock the account.
// Failure: as plugins/http_client.h for the way there, as faults.h for what the server says. The password and the
// session's cookie are in no Error; the session logs out when it is destroyed.
// Source: vSphere Web Services API, ServiceInstance and SessionManager; SOAPAction carries the API version.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "plugins/connection.h"
#include "plugins/http_client.h"
#include "plugins/registry.h"
#include "plugins/vsphere/soap.h"

namespace vmferry::vsphere {

inline constexpr std::chrono::seconds kRefusalHolds{30};

struct SessionSettings {
  std::string system;  // "vmware (https://vc1/sdk)"
  Url url;
  TlsTrust trust;
  std::string user;
  std::string password;  // a reference, resolved at each login
  SecretResolver secrets;
};

// What the server is, and its well-known objects.
struct ServiceContent {
  std::string product;      // "VMware vCenter Server 8.0.1 build-..."
  std::string api_version;  // "8.0.1.0"
  bool is_vcenter = true;   // else one ESXi host
  std::string user;         // as the server calls us
  std::string session_key;  // names the session to the server's own calls; nobody gets in by it
  Moref root_folder, property_collector, view_manager, session_manager, search_index, authorization_manager;
};

class Session {
 public:
  explicit Session(SessionSettings settings);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const SessionSettings& settings() const { return settings_; }
  // Connects and logs in if need be.
  Result<ServiceContent> Content(Deadline& deadline);
  // One call; a fault becomes an Error. `access` write: a lost answer is kUnknownOutcome.
  Result<SoapAnswer> Call(const SoapCall& call, Access access, Deadline& deadline);
  // As Call, but a fault is left in the answer for the caller to judge.
  Result<SoapAnswer> Try(const SoapCall& call, Access access, Deadline& deadline);
  // GET of a path on the same server with the session's cookie (datastore files).
  Result<std::unique_ptr<HttpDownload>> Download(const std::string& target, const HttpHeaders& headers,
                                                 Deadline& deadline);
  Error Failed(Error error) const;  // with our system filled in

 private:
  struct Login {
    ServiceContent content;
    std::string cookie;  // secret
    std::uint64_t number = 0;
  };
  Result<Login> LoggedIn(Deadline& deadline);
  Result<Login> LogIn(Deadline& deadline);
  void Forget(std::uint64_t number);
  Result<ServiceContent> ReadContent(const std::string& version, Deadline& deadline);
  // `cookie` goes in and, when the server sets a new one, out.
  Result<SoapAnswer> Exchange(const SoapCall& call, const std::string& version, std::string* cookie, Access access,
                              Deadline& deadline);

  const SessionSettings settings_;
  HttpClient http_;
  std::timed_mutex logging_in_;
  std::mutex mutex_;  // guards what follows
  std::optional<Login> login_;
  std::uint64_t logins_ = 0;
  std::optional<Error> refusal_;
  std::chrono::steady_clock::time_point refused_at_;
};

// The rest of `deadline` as a context for one exchange.
CallContext Within(const Deadline& deadline);

}  // namespace vmferry::vsphere
