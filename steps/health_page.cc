// SPDX-License-Identifier: Apache-2.0
#include "steps/health_page.h"

#include <algorithm>

#include "steps/parameters.h"
#include "steps/systems.h"
#include "steps/words.h"

namespace vmferry {
namespace {

// A connection begun while a guest boots may hang where a new one, a little later, gets through.
constexpr std::chrono::milliseconds kLongestLook{10000};

}  // namespace

void AddPageParameters(std::vector<ParameterSpec>& parameters) {
  parameters.insert(
      parameters.end(),
      {Optional("status", ParameterType::kInteger, "200", "HTTP status expected"),
       Optional("body", ParameterType::kText, "", "text that must occur in the answer"),
       Optional("maxLatency", ParameterType::kDuration, "", "a slower answer is a failure"),
       Optional("caFile", ParameterType::kText, "", "CA file that the server's certificate must lead to"),
       Optional("thumbprint", ParameterType::kText, "", "SHA-256 of the server's certificate, instead of a CA")});
}

ProbeRequest PageRequest(const StepContext& context, const std::string& url) {
  ProbeRequest request;
  request.url = url;
  request.expect_status = static_cast<int>(IntegerOf(context.parameters, "status", 200));
  request.expect_body = TextOf(context.parameters, "body");
  request.max_latency_ms = static_cast<int>(IntegerOf(context.parameters, "maxLatency", 0));
  request.ca_file = TextOf(context.parameters, "caFile");
  request.thumbprint = TextOf(context.parameters, "thumbprint");
  return request;
}

std::string ExpectedInWords(const ProbeRequest& request) {
  std::string text = "for status " + std::to_string(request.expect_status);
  if (!request.expect_body.empty()) text += " and \"" + request.expect_body + "\" in the body";
  if (request.max_latency_ms > 0)
    text += " within " + DurationInWords(std::chrono::milliseconds(request.max_latency_ms));
  return text;
}

Result<std::string> PageComplaint(const StepContext& context, const std::string& url) {
  const Result<Plugin*> probe = ServiceOf(context, "probe");
  if (!probe) return probe.error();
  CallContext look = context.call;
  look.timeout = std::min(look.timeout, kLongestLook);
  const auto reply = Invoke(**probe, probe::kProbe, PageRequest(context, url), look);
  if (!reply) return reply.error();
  return reply->healthy ? std::string() : url + " is not healthy: " + reply->why;
}

}  // namespace vmferry
