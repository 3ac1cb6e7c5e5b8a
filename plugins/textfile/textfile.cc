// SPDX-License-Identifier: Apache-2.0
#include "plugins/textfile/textfile.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <mutex>
#include <system_error>
#include <utility>

#include "plugins/descriptor.h"
#include "plugins/signal.h"
#include "plugins/textfile/exposition.h"

namespace vmferry {
namespace textfile {
namespace {

constexpr std::size_t kMostBytes = 64 * 1024;  // of a file of ours
constexpr mode_t kMode = 0644;                 // a collector runs as another user

// 0, or the errno. The draft of a crashed attempt is written over.
int WriteDraft(int directory, const std::string& name, const std::string& text) {
  const Descriptor file(openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, kMode));
  if (file.get() < 0 || fchmod(file.get(), kMode) != 0) return errno;
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t count = write(file.get(), text.data() + at, text.size() - at);
    if (count < 0 && errno != EINTR) return errno;
    if (count > 0) at += static_cast<std::size_t>(count);
  }
  return fsync(file.get()) == 0 ? 0 : errno;
}

// The first kMostBytes; false with errno set.
bool ReadAll(int fd, std::string* text) {
  text->resize(kMostBytes);
  std::size_t at = 0;
  while (at < kMostBytes) {
    const ssize_t count = read(fd, text->data() + at, kMostBytes - at);
    if (count == 0) break;
    if (count < 0 && errno != EINTR) return false;
    if (count > 0) at += static_cast<std::size_t>(count);
  }
  text->resize(at);
  return true;
}

ErrorKind KindOf(int error) {
  if (error == ENOENT || error == ENOTDIR) return ErrorKind::kNotFound;
  if (error == EACCES || error == EPERM || error == EROFS || error == ELOOP) return ErrorKind::kDenied;
  return ErrorKind::kUnavailable;
}

class Textfile final : public CallTable {
 public:
  Textfile(std::string name, std::string directory) : name_(std::move(name)), directory_(std::move(directory)) {
    Serve<SignalQuery, SignalFacts>(signals::kDescribe,
                                    [this](const SignalQuery& series, const auto&) { return Describe(series); });
    Serve<SetSignalRequest, Done>(signals::kEnsure, [this](const SetSignalRequest& request, const auto&) {
      return Ensure(SignalQuery{request.metric, request.labels}, request.value);
    });
    Serve<SignalQuery, Done>(signals::kEnsureGone,
                             [this](const SignalQuery& series, const auto&) { return EnsureGone(series); });
  }
  std::string system() const override { return name_ + " (textfile " + directory_ + ")"; }

 private:
  Error Failed(const SignalQuery& series, ErrorKind kind, const std::string& message, const std::string& advice) const {
    return Error{kind, system(), "signal " + SeriesText(series), message, advice};
  }
  Error Failed(const SignalQuery& series, int error, const std::string& what) const {
    return Failed(
        series, KindOf(error), what + ": " + std::generic_category().message(error),
        KindOf(error) == ErrorKind::kUnavailable ? "" : "check the setting `directory` and who may write there");
  }

  // kInvalid for a series that cannot be written.
  Status Check(const SignalQuery& series) const {
    const Status checked = CheckSeries(series);
    if (checked) return Ok();
    return Failed(series, ErrorKind::kInvalid, checked.error().message, checked.error().advice);
  }

  int OpenDirectory() const { return open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }

  Result<SignalFacts> Describe(const SignalQuery& series) const {
    if (const Status checked = Check(series); !checked) return checked.error();
    const Descriptor directory(OpenDirectory());
    if (directory.get() < 0) return Failed(series, errno, "its folder cannot be opened");
    SignalFacts facts;
    facts.where = directory_ + "/" + FileName(series);
    const Descriptor file(
        openat(directory.get(), FileName(series).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (file.get() < 0 && errno == ENOENT) return facts;
    std::string text;
    if (file.get() < 0 || !ReadAll(file.get(), &text)) return Failed(series, errno, facts.where + " cannot be read");
    const std::optional<double> value = ValueIn(text, series);
    if (!value)
      return Failed(series, ErrorKind::kCorrupt, facts.where + " holds something else", "find out who wrote it");
    facts.present = true;
    facts.value = *value;
    return facts;
  }

  Result<Done> Ensure(const SignalQuery& series, double value) {
    if (const Status checked = Check(series); !checked) return checked.error();
    if (!std::isfinite(value)) return Failed(series, ErrorKind::kInvalid, "its value is not finite", "");
    const std::lock_guard lock(mutex_);
    const Descriptor directory(OpenDirectory());
    if (directory.get() < 0) return Failed(series, errno, "its folder cannot be opened");
    const std::string name = FileName(series);
    const std::string draft = "." + name + ".new";  // collectors take *.prom only
    int error = WriteDraft(directory.get(), draft, FileText(series, value));
    if (error == 0 && renameat(directory.get(), draft.c_str(), directory.get(), name.c_str()) != 0) error = errno;
    if (error != 0) {
      unlinkat(directory.get(), draft.c_str(), 0);
      return Failed(series, error, directory_ + "/" + name + " cannot be written");
    }
    if (fsync(directory.get()) == 0) return Done{};
    return Failed(series, ErrorKind::kUnknownOutcome, "its folder cannot be synced", "");
  }

  Result<Done> EnsureGone(const SignalQuery& series) {
    if (const Status checked = Check(series); !checked) return checked.error();
    const std::lock_guard lock(mutex_);
    const Descriptor directory(OpenDirectory());
    if (directory.get() < 0) return Failed(series, errno, "its folder cannot be opened");
    if (unlinkat(directory.get(), FileName(series).c_str(), 0) != 0 && errno != ENOENT)
      return Failed(series, errno, directory_ + "/" + FileName(series) + " cannot be removed");
    if (fsync(directory.get()) == 0) return Done{};
    return Failed(series, ErrorKind::kUnknownOutcome, "its folder cannot be synced", "");
  }

  const std::string name_;
  const std::string directory_;
  std::mutex mutex_;
};

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  const std::string directory = setup.settings.value("directory", std::string());
  if (!directory.starts_with('/'))
    return Error{ErrorKind::kInvalid, setup.name + " (textfile)", "", "`directory` is missing, or no absolute path",
                 "name the folder whose *.prom files the metrics server gets to see"};
  return std::shared_ptr<Plugin>(std::make_shared<Textfile>(setup.name, directory));
}

}  // namespace
}  // namespace textfile

PluginKind TextfileKind() {
  PluginKind kind;
  kind.name = "textfile";
  kind.purpose = "signals as .prom files in a scraped folder, such as that of node_exporter's textfile collector";
  kind.roles = {"signal"};
  kind.settings = {{"directory", "path", true,
                    "folder whose *.prom files the metrics server gets to see; vmferry writes and removes its own"}};
  kind.make = textfile::Make;
  return kind;
}

}  // namespace vmferry
