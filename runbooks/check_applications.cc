// SPDX-License-Identifier: Apache-2.0
//
// `applications` of a Site: their workloads and labels. Their parameters are checked in check_parameters.cc.
#include <pugixml.hpp>
#include <set>

#include "runbooks/check_site.h"
#include "runbooks/secrecy.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;

// The target adds these elements to the domain; what is not even XML is found before anything begins.
void CheckXml(const Reader& reader, const Value& value, const std::string& key) {
  pugi::xml_document fragment;
  const auto parsed = fragment.load_string(value.text.c_str(), pugi::parse_default | pugi::parse_fragment);
  if (!parsed)
    return reader.Report(value.at, Quoted(key) + " is not well-formed XML: " + std::string(parsed.description()),
                         "near " + Quoted(value.text.substr(std::min<std::size_t>(
                                       static_cast<std::size_t>(parsed.offset), value.text.size()))));
  for (const pugi::xml_node& child : fragment.children())
    if (child.type() == pugi::node_pcdata)
      return reader.Report(value.at, Quoted(key) + " has text outside of any element", "write elements of a domain");
}

bool IsDomainName(std::string_view text) {
  return text.size() <= 255 && text.find_first_of("/\n\t") == std::string_view::npos;
}

SiteWorkload ReadWorkload(const Reader& reader, const Value& value) {
  SiteWorkload read;
  Fields fields(reader, value, "a workload", value.at);
  read.workload.name = fields.RequiredText("name").value_or("");
  if (!read.workload.name.empty() && !IsName(read.workload.name))
    reader.Report(value.Find("name")->value.at, Quoted(read.workload.name) + " is no name", std::string(kNameHint));
  read.workload.vm = fields.RequiredText("vm").value_or("");
  const Value* vm = fields.Find("vm");
  read.vm_at = vm == nullptr ? value.at : vm->at;
  read.workload.domain = fields.Text("domain").value_or(read.workload.name);
  const Value* domain = fields.Find("domain");
  read.domain_at = domain == nullptr ? value.at : domain->at;
  if (!IsDomainName(read.workload.domain))
    reader.Report(read.domain_at, Quoted(read.workload.domain) + " cannot name a domain",
                  "at most 255 characters, without `/`");
  if (const auto xml = fields.Text("extraDomainXml")) {
    read.workload.extra_domain_xml = *xml;
    CheckXml(reader, value.Find("extraDomainXml")->value, "extraDomainXml");
  }
  if (const auto xml = fields.Text("rehearsalDomainXml")) {
    read.workload.rehearsal_domain_xml = *xml;
    CheckXml(reader, value.Find("rehearsalDomainXml")->value, "rehearsalDomainXml");
  }
  fields.RefuseOthers();
  return read;
}

// Reports when a second workload of the application has what a first one has.
class Once {
 public:
  Once(const Reader& reader, std::string message) : reader_(reader), message_(std::move(message)) {}
  void See(const std::string& text, std::size_t at) {
    if (!text.empty() && !seen_.insert(text).second)
      reader_.Report(at, "two workloads of this application " + message_ + " " + Quoted(text));
  }

 private:
  const Reader& reader_;
  std::string message_;
  std::set<std::string> seen_;
};

void ReadLabels(const Reader& reader, Fields& fields, SiteApplication& application) {
  for (const MapMember& label : fields.Map("labels"))
    if (reader.Accept(label.value.at, ReadText(label.value, label.key)))
      application.labels[label.key] = label.value.text;
}

void ReadApplication(const Reader& reader, const MapMember& member, SiteApplication& application) {
  Fields fields(reader, member.value, "application " + Quoted(member.key), member.at);
  ReadLabels(reader, fields, application);
  bool present = false;
  const std::vector<Value>& workloads = fields.List("workloads", &present);
  if (!present || (fields.usable() && workloads.empty() && member.value.Find("workloads")->value.Is(Kind::kList)))
    reader.Report(member.at, "application " + Quoted(member.key) + " has no workloads",
                  "list its VMs: `workloads: [{name: web, vm: /DC/vm/web}]`");
  Once names(reader, "are called");
  Once vms(reader, "are the VM");
  Once domains(reader, "become the domain");
  for (const Value& value : workloads) {
    if (reader.problems.Full(reader.document)) return;
    application.workloads.push_back(ReadWorkload(reader, value));
    const SiteWorkload& read = application.workloads.back();
    names.See(read.workload.name, value.at);
    vms.See(read.workload.vm, read.vm_at);
    domains.See(read.workload.domain, read.domain_at);
  }
}

}  // namespace

void CheckApplications(const Reader& reader, const std::vector<MapMember>& applications, SiteModel& model) {
  for (const MapMember& member : applications) {
    if (!IsName(member.key)) reader.Report(member.at, Quoted(member.key) + " is no name", std::string(kNameHint));
    SiteApplication& application = model.applications[member.key];
    application.value = &member.value;
    ReadApplication(reader, member, application);
  }
}

}  // namespace vmferry
