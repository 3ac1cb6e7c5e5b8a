// SPDX-License-Identifier: Apache-2.0
//
// JsonApi: reading JSON from an HTTP API with an optional login, as monitoring systems have it: GET only, bounded
// answers, certificates verified (plugins/http_client.h). The settings `url`, `token`, `user`, `password`, `caFile`
// and `thumbprint` mean the same for every plugin that uses it.
//
// Threading: any number of threads. Repeating: reads only. Waiting: at most CallContext::timeout.
// Secrets are resolved at each call, so that a renewed token is taken up, and never get into an Error.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/http_client.h"
#include "plugins/registry.h"

namespace vmferry {

struct JsonAnswer {
  int status = 0;
  Json body;         // null when it is not JSON
  std::string text;  // the body's beginning, printable, when it is not JSON
};

class JsonApi {
 public:
  // The settings, with `url` explained by `url_purpose`.
  static std::vector<SettingSpec> Settings(const std::string& url_purpose);
  // kInvalid when the settings contradict each other, or a secret would travel unencrypted.
  static Result<std::unique_ptr<JsonApi>> Make(const std::string& plugin, const PluginSetup& setup);

  // One exchange: `path` (with its query, percent-encoded) below the path of `url`. Any status is an answer but 401
  // and 403, which are kDenied, and a redirect, which is kInvalid.
  Result<JsonAnswer> Get(const std::string& path, std::size_t max_body, const CallContext& context) const;
  // An answer that is an error, by its status, with the server's own `words`.
  Error Refused(const JsonAnswer& answer, std::string object, const std::string& words) const;
  // An answer that has not the shape it should have.
  Error Unexpected(std::string object, const std::string& what) const;

  const std::string& system() const { return system_; }

 private:
  JsonApi(std::string system, Url url, TlsTrust trust, PluginSetup setup);
  // The Authorization header's value; empty without a login.
  Result<std::string> Authorization() const;
  Result<std::string> Secret(const char* setting) const;

  const std::string system_;
  const PluginSetup setup_;
  const std::string prefix_;  // of every path, without '/' at its end
  const std::unique_ptr<HttpClient> client_;
};

}  // namespace vmferry
