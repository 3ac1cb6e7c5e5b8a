// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer target: any bytes as a Runbook, a Site, a Wave and a WorkloadPolicy, with a small vocabulary and with the
// product's own. Nothing may crash, leak or hang; what is found must be printable without steering the terminal, and a
// site or plan that comes out must survive its JSON. The words of the language for -dict= are in runbook.dict.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/runbooks/little_world.h"

namespace {

using namespace vmferry;
using namespace vmferry::test;

constexpr const char* kSite = R"(apiVersion: vmferry.dev/v1
kind: Site
metadata: {name: lab}
spec:
  platforms:
    vmware: {plugin: vsphere, url: "https://vc1/sdk", password: "env:PW"}
    kvm: {plugin: libvirt, uri: "qemu:///session"}
  services:
    front: {plugin: haproxy, instances: ["unix:/lb"]}
    web: {plugin: http}
  applications:
    shop:
      workloads: [{name: web, vm: /DC/vm/web}]
      loadBalancer: front
      pool: shop
      targetServer: kvm
      probe: web
      url: http://a/
      onRefusal: hold
)";

constexpr const char* kRunbook = R"(application: shop
sourcePlatform: vmware
targetPlatform: kvm
preChecks: [vm_exists]
cutoverSteps: [quiesce_application, final_data_sync, power_on_target, smoke_test, update_load_balancer]
)";

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %s\n", what);
  std::abort();
}

void Inspect(const std::vector<Diagnostic>& diagnostics) {
  for (const Diagnostic& diagnostic : diagnostics) {
    Require(diagnostic.line >= 1 && diagnostic.column >= 1, "places count from 1");
    Require(!diagnostic.message.empty(), "a diagnostic says something");
    for (const bool colour : {false, true}) Require(!Render(diagnostic, colour).empty(), "it can be shown");
    Require(Render(diagnostic, false).find('\x1b') == std::string::npos, "no escape sequence gets through");
    // Would throw on anything that is not UTF-8.
    Require(!DiagnosticToJson(diagnostic).dump().empty(), "it can be written as JSON");
  }
}

void Inspect(const Checked& checked) {
  Inspect(checked.diagnostics);
  Require(checked.wave.has_value() == checked.diagnostics.empty(), "a wave, or problems");
  if (checked.site) Require(SiteFromJson(SiteToJson(*checked.site)).ok(), "a site survives its JSON");
  if (!checked.wave) return;
  for (const Plan& plan : checked.wave->plans) {
    const Result<Plan> again = PlanFromText(PlanToJson(plan).dump());
    Require(again.ok() && PlanDigest(*again) == PlanDigest(plan), "a plan survives its JSON");
  }
}

void CheckInput(const CheckOptions& options) {
  Inspect(CheckFiles({"input.yaml"}, options));
  Inspect(CheckWave("input.yaml", "site.yaml", options));
  Inspect(CheckWave("runbook.yaml", "input.yaml", options));
  CheckOptions with_policy = options;
  with_policy.policies = {{"input.yaml"}, {}};
  Inspect(CheckWave("runbook.yaml", "site.yaml", with_policy));
}

std::string Example(const std::string& name) {
  return ReadDocumentFile(VMFERRY_SOURCE_DIR "/runbooks/examples/" + name).value();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  CheckInput(LittleOptions({{"input.yaml", text}, {"site.yaml", kSite}, {"runbook.yaml", kRunbook}}));
  static const std::string site = Example("site.yaml"), runbook = Example("customer-analytics-api.yaml");
  CheckOptions product = LittleOptions({{"input.yaml", text}, {"site.yaml", site}, {"runbook.yaml", runbook}});
  product.vocabulary = WholeVocabulary();
  CheckInput(product);
  return 0;
}
