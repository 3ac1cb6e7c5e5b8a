// SPDX-License-Identifier: Apache-2.0
#include "plugins/json_api.h"

#include <openssl/evp.h>

#include <algorithm>
#include <utility>

#include "plugins/printable.h"

namespace vmferry {
namespace {

constexpr std::size_t kShownBody = 300;
constexpr std::size_t kLongestSecret = 8192;

std::string Base64(const std::string& text) {
  std::string encoded(4 * ((text.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()), static_cast<int>(text.size()));
  encoded.resize(static_cast<std::size_t>(size));
  return encoded;
}

// May stand in a header's line as it is.
bool IsPlain(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c >= 0x20 && c != 0x7F; });
}

std::string Text(const PluginSetup& setup, const char* setting) {
  return setup.settings.value(setting, std::string());
}

ErrorKind KindOf(int status) {
  if (status == 404) return ErrorKind::kNotFound;
  if (status == 408) return ErrorKind::kTimedOut;
  if (status == 429 || status >= 500) return ErrorKind::kUnavailable;
  return ErrorKind::kInvalid;
}

}  // namespace

std::vector<SettingSpec> JsonApi::Settings(const std::string& url_purpose) {
  return {{"url", "text", true, url_purpose},
          {"token", "secret", false, "bearer token, if the server wants one"},
          {"user", "text", false, "user name of a basic login, if the server wants one"},
          {"password", "secret", false, "the user's password"},
          {"caFile", "path", false, "PEM file of the CA to trust; without it and `thumbprint` the system's CAs"},
          {"thumbprint", "text", false, "SHA-256 thumbprint of the server's certificate, pinned instead of a CA"}};
}

Result<std::unique_ptr<JsonApi>> JsonApi::Make(const std::string& plugin, const PluginSetup& setup) {
  const std::string address = Text(setup, "url");
  const bool shown = address.find('@') == std::string::npos;  // one that carries a password must not be
  const std::string system = setup.name + " (" + plugin + (shown ? " " + address : "") + ")";
  const auto Refuse = [&](const std::string& message, const std::string& advice) {
    return Error{ErrorKind::kInvalid, system, "", message, advice};
  };
  Result<Url> url = ParseUrl(address);
  if (!url) return Refuse(url.error().message, url.error().advice);
  const bool token = !Text(setup, "token").empty();
  const bool user = !Text(setup, "user").empty();
  if (user == Text(setup, "password").empty())
    return Refuse("of `user` and `password` one is missing", "give both, or none");
  if (token && user) return Refuse("both `token` and `user` are given", "keep the one that the server wants");
  if ((token || user) && !url->tls)
    return Refuse("`url` is not https: the secret would travel in the clear", "write `url` as https://HOST");
  if (url->target.find_first_of("?#") != std::string::npos)
    return Refuse("`url` has a query", "give the address of the server alone");
  const TlsTrust trust{Text(setup, "caFile"), Text(setup, "thumbprint")};
  if (!trust.thumbprint.empty())
    if (const auto pin = NormalizeThumbprint(trust.thumbprint); !pin)
      return Refuse(pin.error().message, pin.error().advice);
  return std::unique_ptr<JsonApi>(new JsonApi(system, *std::move(url), trust, setup));
}

JsonApi::JsonApi(std::string system, Url url, TlsTrust trust, PluginSetup setup)
    : system_(std::move(system)),
      setup_(std::move(setup)),
      prefix_(url.target.substr(0, url.target.find_last_not_of('/') + 1)),
      client_(std::make_unique<HttpClient>(system_, std::move(url), std::move(trust))) {}

Result<std::string> JsonApi::Secret(const char* setting) const {
  Result<std::string> secret = setup_.secrets(Text(setup_, setting));
  if (!secret) {
    Error error = secret.error();
    error.system = system_;
    return error;
  }
  if (secret->size() <= kLongestSecret && IsPlain(*secret)) return secret;
  return Error{ErrorKind::kInvalid, system_, setting, "the secret cannot stand in a header: it is too long, or binary",
               "look at what the reference leads to"};
}

Result<std::string> JsonApi::Authorization() const {
  if (!Text(setup_, "token").empty()) {
    const Result<std::string> token = Secret("token");
    if (!token) return token.error();
    return "Bearer " + *token;
  }
  if (Text(setup_, "user").empty()) return std::string();
  const Result<std::string> password = Secret("password");
  if (!password) return password.error();
  return "Basic " + Base64(Text(setup_, "user") + ":" + *password);
}

Result<JsonAnswer> JsonApi::Get(const std::string& path, std::size_t max_body, const CallContext& context) const {
  const Result<std::string> login = Authorization();
  if (!login) return login.error();
  HttpRequest request;
  request.target = prefix_ + path;
  request.headers = {{"Accept", "application/json"}};
  if (!login->empty()) request.headers.emplace_back("Authorization", *login);
  request.max_body = max_body;
  const Result<HttpResponse> response = client_->Do(request, context);
  if (!response) return response.error();
  JsonAnswer answer;
  answer.status = response->status;
  answer.body = Json::parse(response->body, nullptr, false);
  if (answer.body.is_discarded()) {
    answer.body = Json();
    answer.text = Printable(response->body, kShownBody);
  }
  if (answer.status == 401 || answer.status == 403)
    return Error{ErrorKind::kDenied, system_, "", "the server refused the login: HTTP " + std::to_string(answer.status),
                 login->empty() ? "give `token`, or `user` and `password`" : "check the credential and its rights"};
  if (answer.status / 100 == 3)
    return Error{ErrorKind::kInvalid, system_, "",
                 "a redirect (HTTP " + std::to_string(answer.status) + ") and no answer",
                 "correct `url`; a login page in front of the API cannot be used"};
  return answer;
}

Error JsonApi::Refused(const JsonAnswer& answer, std::string object, const std::string& words) const {
  const std::string told = Printable(words.empty() ? answer.text : words, kShownBody);
  return Error{KindOf(answer.status), system_, std::move(object),
               (told.empty() ? "" : told + " ") + "(HTTP " + std::to_string(answer.status) + ")",
               answer.status == 404 ? "check `url`: it ends before /api" : ""};
}

Error JsonApi::Unexpected(std::string object, const std::string& what) const {
  return Error{ErrorKind::kCorrupt, system_, std::move(object), "the answer has not the shape it should have: " + what,
               "check that `url` leads to such a server"};
}

}  // namespace vmferry
