// SPDX-License-Identifier: Apache-2.0
//
// A little catalogue, a little registry and files in memory, so that tests of the language say all they depend on.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "runbooks/check_options.h"

namespace vmferry::test {

inline ParameterSpec Parameter(std::string name, ParameterType type, bool required, std::string standard = "") {
  ParameterSpec spec;
  spec.name = std::move(name);
  spec.type = type;
  spec.required = required;
  spec.standard = std::move(standard);
  return spec;
}

inline ParameterSpec ServiceParameter(std::string name, std::string role, bool required) {
  ParameterSpec spec = Parameter(std::move(name), ParameterType::kService, required);
  spec.role = std::move(role);
  spec.purpose = "a service of the site";
  return spec;
}

inline ParameterSpec ChoiceParameter(std::string name, std::vector<std::string> choices, bool required) {
  ParameterSpec spec = Parameter(std::move(name), ParameterType::kChoice, required);
  spec.choices = std::move(choices);
  return spec;
}

inline StepSpec LittleStep(std::string name, Scope scope, bool effect, std::vector<ParameterSpec> parameters = {}) {
  StepSpec spec;
  spec.name = std::move(name);
  spec.scope = scope;
  spec.effect = effect;
  spec.parameters = std::move(parameters);
  return spec;
}

inline StepSpec ImplicitStep(std::string name, bool point_of_no_return) {
  StepSpec spec = LittleStep(std::move(name), Scope::kWorkload, true);
  spec.implicit = true;
  spec.point_of_no_return = point_of_no_return;
  return spec;
}

inline std::vector<StepSpec> MakeLittleSteps() {
  using enum ParameterType;
  StepSpec switch_traffic =
      LittleStep("update_load_balancer", Scope::kApplication, true,
                 {ServiceParameter("loadBalancer", "load_balancer", true), Parameter("pool", kText, true),
                  Parameter("targetServer", kText, true), Parameter("weight", kInteger, false)});
  switch_traffic.moves_traffic = true;
  StepSpec power_on = LittleStep("power_on_target", Scope::kApplication, true);
  power_on.deadline = std::chrono::minutes(10);
  ParameterSpec data = ChoiceParameter("rollBackData", {"keepDelta", "discard"}, false);
  data.standard = "keepDelta";
  power_on.parameters = {data};
  StepSpec no_traffic = LittleStep("target_out_of_service", Scope::kApplication, false,
                                   {Parameter("pool", kText, true), Parameter("targetServer", kText, true)});
  no_traffic.implicit = true;
  StepSpec sick = LittleStep("app_is_sick", Scope::kApplication, false,
                             {ServiceParameter("probe", "probe", true), Parameter("healthUrl", kUrl, true)});
  sick.criterion = true;
  StepSpec devices = LittleStep("policy_validated", Scope::kWorkload, false,
                                {Parameter("policy", kText, true), Parameter("allowModes", kTextList, true)});
  devices.implicit = true;
  return {
      sick,
      no_traffic,
      devices,
      LittleStep("vm_exists", Scope::kWorkload, false),
      LittleStep("target_capacity", Scope::kWorkload, false,
                 {Parameter("reserve", kSize, false), Parameter("format", kText, false, "qcow2")}),
      LittleStep("target_name_free", Scope::kWorkload, false),
      LittleStep("quiesce_application", Scope::kApplication, true,
                 {ChoiceParameter("onRefusal", {"force", "hold", "rollBack"}, true),
                  Parameter("drainDeadline", kDuration, false, "30s"), Parameter("pool", kText, false)}),
      LittleStep("final_data_sync", Scope::kApplication, true, {Parameter("parallelDisks", kInteger, false, "2")}),
      LittleStep("convert_image", Scope::kApplication, true, {Parameter("format", kText, false, "qcow2")}),
      power_on,
      LittleStep(
          "smoke_test", Scope::kApplication, false,
          {ServiceParameter("probe", "probe", true), Parameter("url", kUrl, true), Parameter("follow", kBoolean, false),
           Parameter("headers", kTextList, false), Parameter("caFile", kText, false)}),
      switch_traffic,
      ImplicitStep("claim_source", false),
      ImplicitStep("merge_overlay", true),
      ImplicitStep("release_source", true),
  };
}

inline std::vector<PluginKind> MakeLittlePlugins() {
  PluginKind vsphere;
  vsphere.name = "vsphere";
  vsphere.roles = {"source"};
  vsphere.settings = {
      {"url", "text", true, "address of the API"},         {"user", "text", false, "user name"},
      {"password", "secret", true, "the user's password"}, {"caFile", "path", false, "PEM file of the CA to trust"},
      {"timeout", "duration", false, "longest call"},      {"verify", "boolean", false, "check the certificate"}};
  PluginKind libvirt;
  libvirt.name = "libvirt";
  libvirt.roles = {"target"};
  libvirt.settings = {{"uri", "text", true, "libvirt URI"}, {"keepAliveSeconds", "integer", false, "seconds"}};
  PluginKind haproxy;
  haproxy.name = "haproxy";
  haproxy.roles = {"load_balancer"};
  haproxy.settings = {{"instances", "list", true, "runtime API sockets"}, {"persist", "map", false, "where states go"}};
  PluginKind http;
  http.name = "http";
  http.roles = {"probe"};
  return {vsphere, libvirt, haproxy, http};
}

inline Vocabulary LittleVocabulary() {
  static const std::vector<StepSpec> steps = MakeLittleSteps();
  static const std::vector<PluginKind> plugins = MakeLittlePlugins();
  Vocabulary vocabulary;
  for (const StepSpec& spec : steps) vocabulary.steps.push_back(&spec);
  for (const PluginKind& kind : plugins) vocabulary.plugins.push_back(&kind);
  return vocabulary;
}

// Options with the little vocabulary, reading from `files` alone. Paths as the checker spells them.
inline CheckOptions LittleOptions(std::map<std::string, std::string> files) {
  CheckOptions options;
  options.vocabulary = LittleVocabulary();
  options.read = [files = std::move(files)](const std::string& path) -> Result<std::string> {
    const auto file = files.find(path);
    if (file != files.end()) return file->second;
    return Error{ErrorKind::kNotFound, "", "file " + path, "No such file or directory", ""};
  };
  return options;
}

inline std::string RenderAll(const std::vector<Diagnostic>& diagnostics) {
  std::string text;
  for (const Diagnostic& diagnostic : diagnostics) text += Render(diagnostic, false);
  return text;
}

}  // namespace vmferry::test
