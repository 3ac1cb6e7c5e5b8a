// SPDX-License-Identifier: Apache-2.0
//
// ResolveSecret: from a reference in the site file to the secret. Errors name the reference, never what it refers to;
// and a text that is no reference may be the secret itself, so it is not repeated either.
// Source of $CREDENTIALS_DIRECTORY: systemd.exec(5), "LoadCredential=".
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "plugins/registry.h"

namespace vmferry {
namespace {

constexpr std::size_t kMaxSecretBytes = 64 * 1024;

Error Failed(ErrorKind kind, const std::string& reference, const std::string& message, const std::string& advice) {
  return Error{kind, "", "credential " + reference, message, advice};
}

Error NotAReference() {
  return Error{ErrorKind::kInvalid, "", "credential",
               "the value is no reference (it is not repeated here, since it may be the secret itself)",
               "write env:NAME, file:PATH or credential:NAME, and keep the secret itself out of the site file"};
}

// Reads at most `limit` bytes; false with errno set on failure.
bool ReadUpTo(int fd, std::size_t limit, std::string* text) {
  std::array<char, 4096> buffer;
  while (text->size() < limit) {
    const ssize_t count = read(fd, buffer.data(), buffer.size());
    if (count == 0) return true;
    if (count > 0) text->append(buffer.data(), static_cast<std::size_t>(count));
    if (count < 0 && errno != EINTR) return false;
  }
  return true;
}

// The first line. The open file is looked at, not its name, so that it cannot be exchanged in between.
Result<std::string> FirstLine(const std::string& reference, const std::string& path, bool must_be_private) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  const int open_error = errno;
  if (fd < 0)
    return Failed(open_error == ENOENT ? ErrorKind::kNotFound : ErrorKind::kDenied, reference,
                  "cannot be opened: " + std::generic_category().message(open_error), "check the path and its owner");
  struct stat facts {};
  std::string text;
  const bool known = fstat(fd, &facts) == 0;
  const bool open_to_others = must_be_private && (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0;
  const bool read_well = known && S_ISREG(facts.st_mode) && !open_to_others && ReadUpTo(fd, kMaxSecretBytes, &text);
  close(fd);
  if (known && !S_ISREG(facts.st_mode))
    return Failed(ErrorKind::kInvalid, reference, "is not a regular file", "name a file that holds the secret");
  if (known && open_to_others)
    return Failed(ErrorKind::kDenied, reference, "can be read or changed by others than its owner",
                  "chmod 600 " + path);
  if (!read_well) return Failed(ErrorKind::kDenied, reference, "cannot be read", "check the file's owner and mode");
  text = text.substr(0, text.find('\n'));
  if (text.ends_with('\r')) text.pop_back();
  if (text.empty()) return Failed(ErrorKind::kInvalid, reference, "its first line is empty", "put the secret there");
  return text;
}

Result<std::string> FromEnvironment(const std::string& reference, const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value != nullptr && *value != '\0') return std::string(value);
  return Failed(ErrorKind::kNotFound, reference, value == nullptr ? "the variable is not set" : "the variable is empty",
                "export " + name + " before starting vmferry");
}

Result<std::string> FromCredentials(const std::string& reference, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos || name == "." || name == "..")
    return Failed(ErrorKind::kInvalid, reference, "this cannot be a credential's name", "write credential:NAME");
  const char* directory = std::getenv("CREDENTIALS_DIRECTORY");
  if (directory == nullptr || *directory == '\0')
    return Failed(ErrorKind::kNotFound, reference, "$CREDENTIALS_DIRECTORY is not set",
                  "start vmferry as a systemd service with LoadCredential=" + name + ":PATH");
  // systemd keeps that directory private; its files may be readable by their group.
  return FirstLine(reference, std::string(directory) + "/" + name, false);
}

}  // namespace

Result<std::string> ResolveSecret(const std::string& reference) {
  const std::size_t colon = reference.find(':');
  const std::string scheme = colon == std::string::npos ? "" : reference.substr(0, colon);
  const std::string rest = colon == std::string::npos ? "" : reference.substr(colon + 1);
  if (rest.empty()) return NotAReference();
  if (scheme == "env") return FromEnvironment(reference, rest);
  if (scheme == "file") return FirstLine(reference, rest, true);
  if (scheme == "credential") return FromCredentials(reference, rest);
  return NotAReference();
}

}  // namespace vmferry
