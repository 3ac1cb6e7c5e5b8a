// SPDX-License-Identifier: Apache-2.0
#include "plugins/libguestfs/libguestfs.h"

#include <stdlib.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "plugins/guest.h"
#include "plugins/libguestfs/inspection.h"
#include "plugins/printable.h"
#include "plugins/program.h"

namespace vmferry {
namespace {

namespace fs = std::filesystem;
using libguestfs::Section;

constexpr std::chrono::minutes kBudget{25};  // of all runs together; the step that asks has 30 minutes
constexpr std::uintmax_t kMostOutput = 16u << 20;
constexpr std::size_t kShown = 400;
constexpr char kInstall[] = "install libguestfs' programs (Debian and Ubuntu: guestfs-tools and libguestfs-tools)";

// A directory of our own, gone with the object.
class Scratch {
 public:
  Scratch() {
    std::error_code error;
    std::string pattern = (fs::temp_directory_path(error) / "vmferry-guest.XXXXXX").string();
    if (!error && mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ~Scratch() {
    std::error_code error;
    if (!path_.empty()) fs::remove_all(path_, error);
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

struct Printed {
  bool good = false;   // the program ended with 0
  std::string text;    // its standard output
  std::string errors;  // the end of its standard error, on one line
};

struct Settings {
  std::string programs;  // their directory
  std::string kernel;    // empty: one of /boot
  bool emulate = false;
  bool direct = true;
};

class Libguestfs final : public CallTable {
 public:
  Libguestfs(std::string name, Settings settings) : name_(std::move(name)), settings_(std::move(settings)) {
    Serve<InspectRequest, InspectReply>(
        guest::kInspect, [this](const auto& request, CallContext context) {
          context.until = std::min(context.until, std::chrono::steady_clock::now() + kBudget);
          return Inspect(request, context);
        });
  }
  std::string system() const override { return name_ + " (libguestfs)"; }

 private:
  Error Refuse(ErrorKind kind, const std::string& object, const std::string& message, const std::string& advice) const {
    return Error{kind, system(), object, message, advice};
  }

  Status CheckDisks(const InspectRequest& request) const {
    if (request.disks.empty()) return Refuse(ErrorKind::kInvalid, "", "there are no disks to inspect", "");
    for (const GuestDisk& disk : request.disks) {
      std::error_code error;
      if (!disk.path.starts_with('/') || !fs::exists(disk.path, error))
        return Refuse(ErrorKind::kNotFound, "disk " + Printable(disk.path, kShown), "there is no such file here",
                      "run vmferry where the pool is, or mount the pool at the same path");
      if (disk.format != "raw" && disk.format != "qcow2")
        return Refuse(ErrorKind::kInvalid, "disk " + disk.path, "unknown format " + Printable(disk.format, kShown), "");
    }
    return Ok();
  }

  Result<Printed> Run(std::vector<std::string> argv, const InspectRequest& request,
                      const std::vector<std::string>& rest, const CallContext& context) const {
    const Scratch scratch;
    if (scratch.path().empty())
      return Refuse(ErrorKind::kInvalid, "", "no temporary directory can be made", "set TMPDIR");
    for (const GuestDisk& disk : request.disks) argv.insert(argv.end(), {"--format=" + disk.format, "-a", disk.path});
    argv.insert(argv.end(), rest.begin(), rest.end());
    std::vector<std::pair<std::string, std::string>> environment;
    if (settings_.direct) environment.emplace_back("LIBGUESTFS_BACKEND", "direct");
    if (settings_.emulate) environment.emplace_back("LIBGUESTFS_BACKEND_SETTINGS", "force_tcg");
    if (!settings_.kernel.empty()) environment.emplace_back("SUPERMIN_KERNEL", settings_.kernel);
    const std::string file = (scratch.path() / "output").string();
    const auto ended =
        RunProgram(argv, environment, {context.until, context.stop, file});
    if (!ended) return Refuse(ErrorKind::kInvalid, ended.error().object, ended.error().message, kInstall);
    if (ended->timed_out)
      return Refuse(ErrorKind::kTimedOut, "",
                    argv.front() + " did not end in time and was killed: 25 minutes are all that an inspection has",
                    "look at the load of this machine");
    std::error_code error;
    if (fs::file_size(file, error) > kMostOutput || error)
      return Refuse(ErrorKind::kInvalid, "", argv.front() + " printed more than 16 MiB, or nothing readable", "");
    std::ifstream in(file, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    Printed printed{ended->exit_code == 0, text, ended->output};
    std::replace(printed.errors.begin(), printed.errors.end(), '\n', ' ');
    printed.errors = Printable(printed.errors, kShown);
    return printed;
  }

  // Of libguestfs's own machine, which did not start or ended, as opposed to what it found in the guest's disks.
  static bool IsAboutThisMachine(const std::string& errors) {
    constexpr std::array<std::string_view, 6> kWords{"guestfs_launch", "appliance", "supermin",
                                                     "qemu",           "backend",   "Permission denied"};
    return errors.empty() || std::any_of(kWords.begin(), kWords.end(), [&errors](std::string_view word) {
      return errors.find(word) != std::string::npos;
    });
  }

  // A disk without a system, or with one that libguestfs cannot make out, makes its programs fail; which is a reply.
  static InspectReply NotInspected(const std::string& errors) {
    InspectReply reply;
    reply.why = errors;
    return reply;
  }

  Result<InspectReply> Inspect(const InspectRequest& request, const CallContext& context) const {
    if (const Status disks = CheckDisks(request); !disks) return disks.error();
    const auto printed = Run({settings_.programs + "/virt-inspector", "--no-icon"}, request, {}, context);
    if (!printed) return printed.error();
    if (!printed->good && !IsAboutThisMachine(printed->errors)) return NotInspected(printed->errors);
    if (!printed->good)
      return Refuse(ErrorKind::kInvalid, "", "virt-inspector failed: " + printed->errors,
                    "run `libguestfs-test-tool` on this machine");
    Result<InspectReply> reply = libguestfs::ParseInspection(printed->text);
    if (!reply) return Refuse(reply.error().kind, "", reply.error().message, "");
    if (reply->type != "linux") return reply;
    const Status kernels = LookIntoKernels(request, context, *reply);
    if (!kernels) return kernels.error();
    return reply;
  }

  Result<std::string> Fish(const InspectRequest& request, const std::vector<std::string>& commands,
                           const CallContext& context) const {
    std::vector<std::string> rest{"-i", "--"};
    rest.insert(rest.end(), commands.begin(), commands.end());
    const auto printed = Run({settings_.programs + "/guestfish", "--ro"}, request, rest, context);
    if (!printed) return printed.error();
    if (printed->good) return printed->text;
    return Refuse(ErrorKind::kInvalid, "", "guestfish failed: " + printed->errors, "run guestfish by hand to see more");
  }

  // What a kernel has at boot and what it can load, for each. A command that begins with '-' may fail.
  Status LookIntoKernels(const InspectRequest& request, const CallContext& context, InspectReply& reply) const {
    const Result<std::string> listing = Fish(request, {"-ls", "/lib/modules"}, context);
    if (!listing) return listing.error();
    const std::vector<std::string> versions = libguestfs::KernelVersions(*listing);
    if (versions.empty()) return Ok();
    std::vector<std::string> commands;
    const auto add = [&commands](const std::vector<std::string>& words) {
      if (!commands.empty()) commands.emplace_back(":");
      commands.insert(commands.end(), words.begin(), words.end());
    };
    for (const std::string& version : versions) {
      add({"echo", "=== builtin " + version});
      add({"-cat", "/lib/modules/" + version + "/modules.builtin"});
      add({"echo", "=== loadable " + version});
      add({"-cat", "/lib/modules/" + version + "/modules.dep"});
      add({"echo", "=== initramfs " + version});
      add({"-glob", "initrd-list", "/boot/init*" + version + "*"});
    }
    const Result<std::string> text = Fish(request, commands, context);
    if (!text) return text.error();
    for (const std::string& version : versions) reply.kernels.push_back(ReadKernel(*text, version));
    return Ok();
  }

  static GuestKernel ReadKernel(const std::string& text, const std::string& version) {
    GuestKernel kernel;
    kernel.version = version;
    const std::string initramfs = Section(text, "initramfs " + version);
    kernel.initramfs_read = libguestfs::ShowsModules(initramfs);
    std::set<std::string> at_boot;
    for (const std::string& part : {Section(text, "builtin " + version), initramfs})
      for (std::string& module : libguestfs::DriverModules(part)) at_boot.insert(std::move(module));
    kernel.at_boot.assign(at_boot.begin(), at_boot.end());
    kernel.loadable = libguestfs::DriverModules(Section(text, "loadable " + version));
    return kernel;
  }

  const std::string name_;
  const Settings settings_;
};

bool Flag(const PluginSetup& setup, const char* name, bool standard) {
  const Json value = setup.settings.value(name, Json(standard));
  return value.is_string() ? value.get<std::string>() == "true" : value.is_boolean() && value.get<bool>();
}

}  // namespace

PluginKind LibguestfsKind() {
  PluginKind kind;
  kind.name = "libguestfs";
  kind.purpose = "looks into the disks of machines that are off, with virt-inspector and guestfish";
  kind.roles = {"guest"};
  kind.settings = {
      {"programs", "path", false, "directory of virt-inspector and guestfish; default /usr/bin"},
      {"kernel", "path", false,
       "readable copy of a kernel of /boot for its machine, where only root may read /boot's (Ubuntu)"},
      {"emulate", "boolean", false, "start its machine without hardware virtualisation, for hosts on which KVM hangs"},
      {"direct", "boolean", false, "start QEMU without libvirt (LIBGUESTFS_BACKEND=direct); default true"},
  };
  kind.make = [](const PluginSetup& setup) -> Result<std::shared_ptr<Plugin>> {
    return std::shared_ptr<Plugin>(
        std::make_shared<Libguestfs>(setup.name, Settings{setup.settings.value("programs", std::string("/usr/bin")),
                                                          setup.settings.value("kernel", std::string()),
                                                          Flag(setup, "emulate", false), Flag(setup, "direct", true)}));
  };
  return kind;
}

}  // namespace vmferry
