// SPDX-License-Identifier: Apache-2.0
#include "plugins/alertmanager/alertmanager.h"

#include <utility>

#include "plugins/alerts.h"
#include "plugins/json_api.h"
#include "plugins/labels.h"

namespace vmferry {
namespace alertmanager {
namespace {

constexpr std::size_t kMostAlerts = 16 * 1024 * 1024;  // bytes of an answer

// A matcher, as ?filter= wants it: name="value".
std::string Matcher(const std::string& name, const std::string& value) {
  std::string quoted;
  for (const char c : value) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return name + "=\"" + quoted + "\"";
}

ActiveAlert AlertIn(const Json& json) {
  ActiveAlert alert;
  for (const auto& [name, value] : json.at("labels").items()) alert.labels[name] = value.get<std::string>();
  const Json& status = json.at("status");
  alert.state = status.at("state").get<std::string>();
  alert.silenced_by = status.at("silencedBy").get<std::vector<std::string>>();
  alert.inhibited_by = status.at("inhibitedBy").get<std::vector<std::string>>();
  for (const Json& receiver : json.at("receivers")) alert.receivers.push_back(receiver.at("name").get<std::string>());
  return alert;
}

class Alertmanager final : public CallTable {
 public:
  explicit Alertmanager(std::unique_ptr<JsonApi> api) : api_(std::move(api)) {
    Serve<AlertsQuery, ActiveAlerts>(alerts::kActive, [this](const AlertsQuery& query, const CallContext& context) {
      return Active(query, context);
    });
  }
  std::string system() const override { return api_->system(); }

 private:
  Result<ActiveAlerts> Active(const AlertsQuery& query, const CallContext& context) const {
    const std::string object = "alerts " + query.name + LabelsInWords(query.labels);
    std::string path = "/api/v2/alerts?filter=" + EncodeQuery(Matcher("alertname", query.name));
    for (const auto& [name, value] : query.labels) path += "&filter=" + EncodeQuery(Matcher(name, value));
    const Result<JsonAnswer> answer = api_->Get(path, kMostAlerts, context);
    if (!answer) {
      Error error = answer.error();
      if (error.object.empty()) error.object = object;
      return error;
    }
    if (answer->status != 200) return api_->Refused(*answer, object, WordsOf(answer->body));
    if (!answer->body.is_array()) return api_->Unexpected(object, "it is no list");
    ActiveAlerts active;
    try {
      for (const Json& alert : answer->body) active.alerts.push_back(AlertIn(alert));
    } catch (const Json::exception& e) {
      return api_->Unexpected(object, e.what());
    }
    return active;
  }

  // A refusal is a text ("bad matcher format: ..."), or {"code": 600, "message": "..."}.
  static std::string WordsOf(const Json& body) {
    if (body.is_string()) return body.get<std::string>();
    const bool message = body.is_object() && body.contains("message") && body["message"].is_string();
    return message ? body["message"].get<std::string>() : "";
  }

  const std::unique_ptr<JsonApi> api_;
};

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  Result<std::unique_ptr<JsonApi>> api = JsonApi::Make("alertmanager", setup);
  if (!api) return api.error();
  return std::shared_ptr<Plugin>(std::make_shared<Alertmanager>(std::move(api.value())));
}

}  // namespace
}  // namespace alertmanager

PluginKind AlertmanagerKind() {
  PluginKind kind;
  kind.name = "alertmanager";
  kind.purpose = "alerts that an Alertmanager holds at the moment (API v2)";
  kind.roles = {"alerts"};
  kind.settings = JsonApi::Settings("address of the server, with the path before /api/v2 if it has one");
  kind.make = alertmanager::Make;
  return kind;
}

}  // namespace vmferry
