// SPDX-License-Identifier: Apache-2.0
//
// Result and Error: how every call in vmferry says that something went wrong.
//
// An Error names the system, the object, the platform's own words and what to do next; the engine adds the step.
// Its kind decides what the engine may do about it (see SafeToRetry). Values, no exceptions: exceptions of the
// libraries are caught where they are called.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace vmferry {

enum class ErrorKind {
  kInvalid,         // the request makes no sense to the system; repeating it cannot help
  kNotFound,        // the object does not exist
  kConflict,        // the object is there but somebody else's, or changed since it was read
  kDenied,          // credentials, certificate or privileges were refused
  kUnavailable,     // nothing was done: the system could not be reached or said "busy"; safe to retry
  kTimedOut,        // no answer within the time given, on a call that changes nothing
  kUnknownOutcome,  // the request may or may not have taken effect; observe before anything else
  kCorrupt,         // data read is not what was written
  kInternal,        // our own fault
};

std::string_view Name(ErrorKind kind);
std::optional<ErrorKind> ErrorKindFromName(std::string_view name);

// One failure, complete enough to act on at 2 a.m. Never carries a secret.
struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string system;   // which system, as the site names it, with its address: "vmware (https://vc1/sdk)"
  std::string object;   // which object: "VM /DC0/vm/web1"; may be empty
  std::string message;  // what happened, with the platform's own words
  std::string advice;   // what to do next; may be empty
};

// "vmware (https://vc1/sdk): VM /DC0/vm/web1: not found: no such path" + "; " + advice, empty parts left out.
std::string Describe(const Error& error);

// True if the effect certainly did not happen and the same call may succeed later.
bool SafeToRetry(const Error& error);

// A value or an Error. `if (!result) return result.error();`
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : data_(std::in_place_index<0>, std::move(value)) {}     // NOLINT: implicit on purpose
  Result(Error error) : data_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit on purpose

  bool ok() const { return data_.index() == 0; }
  explicit operator bool() const { return ok(); }
  // REQUIRES: ok()
  T& value() & { assert(ok()); return std::get<0>(data_); }
  const T& value() const& { assert(ok()); return std::get<0>(data_); }
  // By value: a reference into a temporary would not live as long as a range-for over it.
  T value() && { assert(ok()); return std::get<0>(std::move(data_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  // REQUIRES: !ok()
  const Error& error() const { assert(!ok()); return std::get<1>(data_); }
  Error& error() { assert(!ok()); return std::get<1>(data_); }

 private:
  std::variant<T, Error> data_;
};

struct Nothing {};
using Status = Result<Nothing>;
inline Status Ok() { return Nothing{}; }

}  // namespace vmferry
