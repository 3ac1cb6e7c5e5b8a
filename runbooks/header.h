// SPDX-License-Identifier: Apache-2.0
//
// What a document says about itself: `kind`, `apiVersion`, `metadata`. Pure functions over one document.
#pragma once

#include <optional>
#include <string>

#include "runbooks/fields.h"

namespace vmferry {

enum class DocumentKind { kRunbook, kSite, kWave, kPolicy };
std::string_view Name(DocumentKind kind);  // "a Runbook", ...

// The kind of a usable document; nothing, after reporting why, when it is not one of these.
std::optional<DocumentKind> FindDocumentKind(const Reader& reader);

// Reads `apiVersion`, `kind` and `metadata` of a document of that kind; answers metadata.name, "" if that is not to be
// had.
std::string ReadHeader(const Reader& reader, Fields& fields, const Value& root, DocumentKind kind);

}  // namespace vmferry
