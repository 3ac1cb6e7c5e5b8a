// SPDX-License-Identifier: Apache-2.0
//
// VsphereLive: the fixture of the vsphere plugin's tests against a vCenter API that answers for real, the lab's. Run by
// the lab's script, which names the lab's env file in VMFERRY_LAB_ENV; without it every test fails. Needs the
// applications app1 (with a duplicate), app2 (in folder Team-A, with a second disk of 64 MiB) and app3, and pages of
// one object (--vc "-page-size 1"); on an ESXi host (--vc -esx) without folder and duplicate. Every test leaves the VMs
// off, unclaimed and without snapshots.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <string>

#include "plugins/http_client.h"
#include "plugins/source_platform.h"
#include "plugins/stream.h"
#include "plugins/vsphere/vsphere.h"

namespace vmferry {

// NAME='value' lines.
inline std::map<std::string, std::string> LabEnv() {
  std::map<std::string, std::string> env;
  const char* path = std::getenv("VMFERRY_LAB_ENV");
  std::ifstream file(path == nullptr ? "" : path);
  for (std::string line; std::getline(file, line);) {
    const auto equals = line.find('=');
    if (equals == std::string::npos) continue;
    std::string value = line.substr(equals + 1);
    if (value.size() >= 2 && value.front() == '\'') value = value.substr(1, value.size() - 2);
    env[line.substr(0, equals)] = value;
  }
  return env;
}

inline Result<std::string> FromFile(const std::string& reference) {
  std::ifstream file(reference.substr(reference.find(':') + 1));
  std::string line;
  std::getline(file, line);
  return line;
}

#define ASSERT_GOOD(result) ASSERT_TRUE((result).ok()) << Describe((result).error())
#define EXPECT_GOOD(result) EXPECT_TRUE((result).ok()) << Describe((result).error())

class VsphereLive : public ::testing::Test {
 protected:
  void SetUp() override {
    env_ = LabEnv();
    ASSERT_FALSE(env_["VC_URL"].empty()) << "VMFERRY_LAB_ENV must name the env file of a running lab";
    auto url = ParseUrl(env_["VC_CONTROL"]);
    ASSERT_GOOD(url);
    control_ = std::make_unique<HttpClient>("lab", *url, TlsTrust{});
    Control("DELETE", "/faults");
    plugin_ = Make(Settings());
  }
  void TearDown() override {
    if (!plugin_) return;
    Control("DELETE", "/faults");
    for (const Json& lease : Json::parse(Control("GET", "/leases")))
      EXPECT_GOOD(Ask(source::kCloseExport, {Json{{"lease", lease["ref"]}, {"task", lease["task"]}}.dump(), false}));
    for (const std::string& vm : {App(1), App(2), App(3)}) {
      EXPECT_GOOD(Ask(source::kEnsurePoweredOff, {vm, "", ""}));
      auto facts = Ask(source::kDescribeVm, VmQuery{vm});
      if (!facts || facts->claim.empty()) continue;
      EXPECT_GOOD(Ask(source::kReleaseVm, {vm, facts->claim, ""}));
    }
  }

  std::string App(int n) { return env_["APP" + std::to_string(n) + "_VM_PATH"]; }
  Json Settings() {
    return {{"url", env_["VC_URL"]},
            {"user", env_["VC_USER"]},
            {"password", "file:" + env_["VC_PASSWORD_FILE"]},
            {"caFile", env_["VC_CA"]}};
  }
  static std::shared_ptr<Plugin> Make(const Json& settings, const SecretResolver& secrets = FromFile) {
    auto made = VsphereKind().make({"vmware", settings, secrets});
    EXPECT_GOOD(made);
    return *made;
  }
  template <class Request, class Answer>
  Result<Answer> Ask(const Call<Request, Answer>& call, const Request& request, int timeout_ms = 20000) {
    return Invoke(*plugin_, call, request, CallContext{{}, std::chrono::milliseconds(timeout_ms)});
  }
  std::string Control(const std::string& method, const std::string& target, const Json& body = nullptr) {
    HttpRequest request;
    request.method = method;
    request.target = target;
    if (!body.is_null()) request.body = body.dump();
    auto response = control_->Do(request, CallContext{});
    EXPECT_GOOD(response);
    if (!response) return "";
    EXPECT_EQ(response->status, 200) << response->body;
    return response->body;
  }
  // A rule of bad manners.
  void Rule(const std::string& method, const std::string& action, Json more = Json::object()) {
    more["method"] = method;
    more["action"] = action;
    Control("POST", "/faults", more);
  }
  // How the lab itself sees a VM.
  Json Seen(const std::string& path) {
    for (const Json& vm : Json::parse(Control("GET", "/vms")))
      if (vm["path"] == path) return vm;
    return {};
  }
  int Calls(const std::string& method) { return Json::parse(Control("GET", "/calls"))["counts"].value(method, 0); }
  Result<std::shared_ptr<DiskReader>> OpenDisk(const OpenDiskRequest& request) {
    return Open<DiskReader>(*plugin_, source::kOpenDisk, request, CallContext{{}, std::chrono::seconds(20)});
  }
  void PowerOn(const std::string& vm) {
    auto on = Ask(source::kEnsurePoweredOn, {vm, "", ""});
    ASSERT_GOOD(on);
    ASSERT_TRUE(on->done);
  }

  std::map<std::string, std::string> env_;
  std::unique_ptr<HttpClient> control_;
  std::shared_ptr<Plugin> plugin_;
};

}  // namespace vmferry
