// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/session.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "plugins/vsphere/faults.h"

namespace vmferry::vsphere {
namespace {

// The oldest API we support; spoken until the server has told its own.
constexpr const char* kFirstVersion = "6.5";
const Moref kServiceInstance{"ServiceInstance", "ServiceInstance"};

std::string CookieFrom(const HttpResponse& response) {
  std::string cookie;
  for (const auto& [name, value] : response.headers) {
    if (name.size() != 10 || !std::equal(name.begin(), name.end(), "set-cookie",
                                         [](unsigned char a, char b) { return std::tolower(a) == b; }))
      continue;
    std::string pair = value.substr(0, value.find(';'));
    if (cookie.empty() || pair.starts_with("vmware_soap_session=")) cookie = std::move(pair);
  }
  return cookie;
}

Error StatusError(const HttpResponse& response, Access access) {
  const std::string said = "the server answered HTTP " + std::to_string(response.status) + " " + response.reason;
  if (response.status == 404)
    return Error{ErrorKind::kInvalid, "", "", said, "check the path in `url`; the vSphere API is at https://HOST/sdk"};
  if (response.status == 401 || response.status == 403)
    return Error{ErrorKind::kDenied, "", "", said, "check `user` and `password` of this platform in the site file"};
  if (response.status >= 500)
    return Error{access == Access::kWrite ? ErrorKind::kUnknownOutcome : ErrorKind::kUnavailable, "", "", said,
                 "check the state of the platform's services"};
  return Error{ErrorKind::kInvalid, "", "", said, "check `url`; the vSphere API is at https://HOST/sdk"};
}

ServiceContent ReadServiceContent(pugi::xml_node node) {
  ServiceContent content;
  content.product = TextAt(node, "about.fullName");
  content.api_version = TextAt(node, "about.apiVersion");
  content.is_vcenter = TextAt(node, "about.apiType") != "HostAgent";
  content.root_folder = RefIn(Child(node, "rootFolder"));
  content.property_collector = RefIn(Child(node, "propertyCollector"));
  content.view_manager = RefIn(Child(node, "viewManager"));
  content.session_manager = RefIn(Child(node, "sessionManager"));
  content.search_index = RefIn(Child(node, "searchIndex"));
  content.authorization_manager = RefIn(Child(node, "authorizationManager"));
  return content;
}

}  // namespace

CallContext Within(const Deadline& deadline) {
  return CallContext{deadline.stop(), std::max(deadline.Left(), std::chrono::milliseconds(1))};
}

Session::Session(SessionSettings settings)
    : settings_(std::move(settings)), http_(settings_.system, settings_.url, settings_.trust) {}

Session::~Session() {
  if (!login_) return;
  // Sessions are few on a server; and leaving ends what the session still holds. Best effort, briefly.
  Deadline deadline(std::chrono::seconds(2), std::stop_token());
  const SoapCall logout("Logout", login_->content.session_manager);
  (void)Exchange(logout, login_->content.api_version, &login_->cookie, Access::kRead, deadline);
}

Error Session::Failed(Error error) const {
  error.system = settings_.system;
  return error;
}

Result<SoapAnswer> Session::Exchange(const SoapCall& call, const std::string& version, std::string* cookie,
                                     Access access, Deadline& deadline) {
  HttpRequest request;
  request.method = "POST";
  request.target = settings_.url.target;
  request.changes = access == Access::kWrite;
  request.headers = {{"Content-Type", "text/xml; charset=utf-8"},
                     {"SOAPAction", version.empty() ? "urn:vim25" : "urn:vim25/" + version}};
  if (!cookie->empty()) request.headers.emplace_back("Cookie", *cookie);
  request.body = call.Envelope();
  auto response = http_.Do(request, Within(deadline));
  if (!response) return response.error();
  std::string set = CookieFrom(*response);
  if (!set.empty()) *cookie = std::move(set);
  auto answer = ParseAnswer(response->body);
  if (answer && (answer->fault || response->status == 200)) return answer;
  if (response->status != 200) return Failed(StatusError(*response, access));
  Error error = Failed(answer.error());
  if (access == Access::kWrite) error.kind = ErrorKind::kUnknownOutcome;
  return error;
}

Result<ServiceContent> Session::ReadContent(const std::string& version, Deadline& deadline) {
  const SoapCall call = SoapCall("RetrieveServiceContent", kServiceInstance);
  std::string cookie;
  auto answer = Exchange(call, version, &cookie, Access::kRead, deadline);
  if (!answer) return answer.error();
  if (answer->fault) return Failed(FaultError(*answer->fault, call.method()));
  ServiceContent content = ReadServiceContent(answer->returnval());
  if (!content.session_manager || !content.property_collector || content.api_version.empty())
    return Failed(Error{ErrorKind::kCorrupt, "", "", "RetrieveServiceContent told no session manager or API version",
                        "check that the address is that of a vCenter or ESXi host"});
  return content;
}

Result<Session::Login> Session::LogIn(Deadline& deadline) {
  auto first = ReadContent(kFirstVersion, deadline);
  // A server that no longer knows that version refuses it; unversioned, it chooses itself.
  if (!first && first.error().kind == ErrorKind::kInvalid) first = ReadContent("", deadline);
  if (!first) return first.error();
  auto content = ReadContent(first->api_version, deadline);
  if (!content) return content.error();
  Result<std::string> password = settings_.secrets(settings_.password);
  if (!password) {
    Error error = Failed(password.error());
    error.object = "password of user " + settings_.user;
    return error;
  }
  SoapCall call("Login", content->session_manager);
  call.Text("userName", settings_.user).Text("password", *password);
  Login login{*content, "", 0};
  auto answer = Exchange(call, content->api_version, &login.cookie, Access::kRead, deadline);
  if (!answer) return answer.error();
  if (answer->fault) {
    Error error = Failed(FaultError(*answer->fault, "Login"));
    error.object = "user " + settings_.user;
    return error;
  }
  login.content.user = TextAt(answer->returnval(), "userName");
  login.content.session_key = TextAt(answer->returnval(), "key");
  return login;
}

Result<Session::Login> Session::LoggedIn(Deadline& deadline) {
  const auto Known = [this]() -> std::optional<Result<Login>> {
    const std::lock_guard lock(mutex_);
    if (login_) return Result<Login>(*login_);
    if (refusal_ && std::chrono::steady_clock::now() - refused_at_ < kRefusalHolds) return Result<Login>(*refusal_);
    return std::nullopt;
  };
  if (auto known = Known()) return *known;
  const std::unique_lock one_at_a_time(logging_in_, deadline.Left());
  if (!one_at_a_time)
    return Failed(Error{ErrorKind::kUnavailable, "", "", "no answer in time while another call logged in", ""});
  if (auto known = Known()) return *known;
  Result<Login> made = LogIn(deadline);
  const std::lock_guard lock(mutex_);
  refusal_.reset();
  if (made) {
    made->number = ++logins_;
    login_ = *made;
  } else if (made.error().kind == ErrorKind::kDenied) {
    refusal_ = made.error();
    refused_at_ = std::chrono::steady_clock::now();
  }
  return made;
}

void Session::Forget(std::uint64_t number) {
  const std::lock_guard lock(mutex_);
  if (login_ && login_->number == number) login_.reset();
}

Result<ServiceContent> Session::Content(Deadline& deadline) {
  auto login = LoggedIn(deadline);
  if (!login) return login.error();
  return login->content;
}

Result<SoapAnswer> Session::Try(const SoapCall& call, Access access, Deadline& deadline) {
  for (int attempt = 0;; ++attempt) {
    auto login = LoggedIn(deadline);
    if (!login) return login.error();
    if (deadline.Left().count() == 0)
      return Failed(Error{access == Access::kWrite ? ErrorKind::kUnavailable : ErrorKind::kTimedOut, "", "",
                          "no time was left for " + call.method(), ""});
    auto answer = Exchange(call, login->content.api_version, &login->cookie, access, deadline);
    const bool forgotten = answer && answer->fault && answer->fault->type == "NotAuthenticated";
    if (!forgotten || attempt > 0) return answer;
    Forget(login->number);
  }
}

Result<SoapAnswer> Session::Call(const SoapCall& call, Access access, Deadline& deadline) {
  auto answer = Try(call, access, deadline);
  if (answer && answer->fault) return Failed(FaultError(*answer->fault, call.method()));
  return answer;
}

Result<std::unique_ptr<HttpDownload>> Session::Download(const std::string& target, const HttpHeaders& headers,
                                                        Deadline& deadline) {
  for (int attempt = 0;; ++attempt) {
    auto login = LoggedIn(deadline);
    if (!login) return login.error();
    HttpRequest request;
    request.target = target;
    request.headers = headers;
    request.headers.emplace_back("Cookie", login->cookie);
    auto download = http_.Open(request, Within(deadline));
    const bool forgotten = download && (*download)->head().status == 401;
    if (!forgotten || attempt > 0) return download;
    Forget(login->number);
  }
}

}  // namespace vmferry::vsphere
