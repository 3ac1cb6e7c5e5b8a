// SPDX-License-Identifier: Apache-2.0
//
// Problems: collects what is wrong with some documents, to show everything at once. Lines are cut out only at the end,
// when every secret in the documents is known (secrecy.h). One thread. The documents must outlive it.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "runbooks/check.h"
#include "runbooks/document.h"

namespace vmferry {

class Problems {
 public:
  // A file with more problems than this is not worth listing further; said so once.
  static constexpr int kMaxPerDocument = 100;

  void Add(const Document& document, std::size_t at, std::string message, std::string hint = "");
  bool empty() const { return found_.empty(); }
  // True if no more problems of this document are kept: for readers of very long lists.
  bool Full(const Document& document) const;
  // Sorted by file, line and column; no two alike.
  std::vector<Diagnostic> All() const;

 private:
  struct Found {
    const Document* document;
    std::size_t at;
    std::string message;
    std::string hint;
  };
  std::vector<Found> found_;
  std::map<const Document*, int> counts_;
};

}  // namespace vmferry
