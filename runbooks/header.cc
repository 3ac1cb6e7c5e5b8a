// SPDX-License-Identifier: Apache-2.0
#include "runbooks/header.h"

#include "runbooks/secrecy.h"
#include "runbooks/suggest.h"

namespace vmferry {
namespace {

using Kind = Value::Kind;
constexpr std::string_view kApiVersion = "vmferry.dev/v1";
constexpr std::string_view kPolicyVersion = "policy.virtualmachine.space/v1";  // a document of the field
constexpr std::string_view kRunbookHint = "a document without `kind` is a Runbook";

std::string KindHint(const std::string& written) {
  if (written == "Runbook") return "leave `kind` and `apiVersion` out: " + std::string(kRunbookHint);
  if (const auto nearest = Nearest(written, {"Site", "Wave", "WorkloadPolicy"})) return "did you mean " + Quoted(*nearest) + "?";
  return "known are `Site`, `Wave` and `WorkloadPolicy`; " + std::string(kRunbookHint);
}

}  // namespace

std::string_view Name(DocumentKind kind) {
  switch (kind) {
    case DocumentKind::kSite:
      return "a Site";
    case DocumentKind::kWave:
      return "a Wave";
    case DocumentKind::kPolicy:
      return "a WorkloadPolicy";
    case DocumentKind::kRunbook:
      break;
  }
  return "a Runbook";
}

std::optional<DocumentKind> FindDocumentKind(const Reader& reader) {
  const Value& root = reader.document.root();
  const MapMember* kind = root.Find("kind");
  const MapMember* version = root.Find("apiVersion");
  if (kind == nullptr && version == nullptr) return DocumentKind::kRunbook;
  if (kind == nullptr) {
    reader.Report(version->at, "a document with `apiVersion` needs its `kind`", KindHint(""));
    return std::nullopt;
  }
  const auto text = reader.Accept(kind->value.at, ReadText(kind->value, "kind"));
  if (!text) return std::nullopt;
  if (kind->value.text == "Site") return DocumentKind::kSite;
  if (kind->value.text == "Wave") return DocumentKind::kWave;
  if (kind->value.text == "WorkloadPolicy") return DocumentKind::kPolicy;
  reader.Report(kind->value.at, "unknown kind " + Quoted(kind->value.text), KindHint(kind->value.text));
  return std::nullopt;
}

std::string ReadHeader(const Reader& reader, Fields& fields, const Value& root, DocumentKind kind) {
  const std::string_view known = kind == DocumentKind::kPolicy ? kPolicyVersion : kApiVersion;
  fields.Find("kind");
  const auto version = fields.RequiredText("apiVersion");
  if (version && *version != known)
    reader.Report(root.Find("apiVersion")->value.at, "unknown apiVersion " + Quoted(*version),
                  "known is " + Quoted(known));
  const Value* metadata = fields.Require("metadata");
  if (metadata == nullptr) return "";
  Fields about(reader, *metadata, "`metadata`", fields.PlaceOf("metadata"));
  const std::string name = about.RequiredText("name").value_or("");
  if (!name.empty() && !IsName(name))
    reader.Report(metadata->Find("name")->value.at, Quoted(name) + " is no name", std::string(kNameHint));
  about.RefuseOthers();
  return name;
}

}  // namespace vmferry
