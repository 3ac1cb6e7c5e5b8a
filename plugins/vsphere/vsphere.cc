// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/vsphere.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "plugins/source_platform.h"
#include "plugins/stream.h"
#include "plugins/vsphere/export_nfc.h"
#include "plugins/vsphere/folder_reader.h"
#include "plugins/vsphere/inventory.h"
#include "plugins/vsphere/power.h"
#include "plugins/vsphere/privileges.h"
#include "plugins/vsphere/reconfigure.h"
#include "plugins/vsphere/session.h"
#include "plugins/vsphere/snapshots.h"
#include "plugins/vsphere/vm_facts.h"

namespace vmferry {
namespace vsphere {
namespace {

// A download may stand still this long before it counts as broken: hosts pause while a disk's blocks are fetched.
constexpr std::chrono::seconds kIdle{60};

class Vsphere final : public CallTable {
 public:
  explicit Vsphere(SessionSettings settings) : session_(std::move(settings)) {
    Serve<PlatformQuery, PlatformFacts>(source::kDescribePlatform, [this](const auto&, const CallContext& context) {
      return DescribePlatform(context);
    });
    OnVm(source::kDescribeVm,
         [](Session& s, const Moref& vm, const VmQuery&, Deadline& d) { return ReadFacts(s, vm, d); });
    OnVm(source::kDescribePrivileges, DescribePrivileges);
    OnVm(source::kClaimVm, Claim);
    OnVm(source::kReleaseVm, Release);
    OnVm(source::kUnregisterVm, Unregister);
    OnVm(source::kRequestShutdown, RequestShutdown);
    OnVm(source::kEnsurePoweredOff, EnsurePoweredOff);
    OnVm(source::kEnsurePoweredOn, EnsurePoweredOn);
    OnVm(source::kSetNicStart, SetNicStart);
    OnVm(source::kEnsureSnapshot, EnsureSnapshot);
    OnVm(source::kEnsureNoSnapshot, EnsureNoSnapshot);
    OnVm(source::kOpenExport, OpenExport);
    ServeHandles();
    ServeStream<OpenDiskRequest, OpenDiskReply, DiskReader>(
        source::kOpenDisk,
        [this](const OpenDiskRequest& request, const CallContext& context) { return OpenDisk(request, context); });
  }

  std::string system() const override { return session_.settings().system; }

 private:
  // Serves a call on one VM: finds it, within the call's deadline, and names it in errors as the site does.
  // `function`: Result<Answer>(Session&, const Moref&, const Request&, Deadline&).
  template <class Request, class Answer, class Function>
  void OnVm(const Call<Request, Answer>& call, Function function) {
    Serve<Request, Answer>(call,
                           [this, function](const Request& request, const CallContext& context) -> Result<Answer> {
                             Deadline deadline(context.timeout, context.stop);
                             auto vm = FindVm(session_, request.vm, deadline);
                             if (!vm) return NameVm(vm.error(), request.vm);
                             Result<Answer> answer = function(session_, *vm, request, deadline);
                             if (!answer) return NameVm(answer.error(), request.vm);
                             return answer;
                           });
  }

  static Error NameVm(Error error, const std::string& vm) {
    const std::string name = "VM " + vm;
    if (error.object.empty() || error.object.starts_with("VM ")) {
      const auto more = error.object.find(", ");
      error.object = name + (more == std::string::npos ? "" : error.object.substr(more));
    } else if (!error.object.starts_with("user ") && !error.object.starts_with("password ")) {
      error.object = name + ", " + error.object;
    }
    return error;
  }

  Result<PlatformFacts> DescribePlatform(const CallContext& context) {
    Deadline deadline(context.timeout, context.stop);
    auto content = session_.Content(deadline);
    if (!content) return content.error();
    // Not only what the login told once: an answer means that the platform answers now.
    auto root = Read(session_, content->root_folder, {"name"}, deadline);
    if (!root) return root.error();
    return PlatformFacts{content->product, content->api_version, content->user};
  }

  static Result<ExportReply> OpenExport(Session& session, const Moref& vm, const OpenExportRequest& request,
                                        Deadline& deadline) {
    if (request.method == "nfc") return OpenNfc(session, vm, deadline);
    if (request.method != "folder")
      return session.Failed(Error{ErrorKind::kInvalid, "", "", "unknown download method '" + request.method + "'",
                                  "use `nfc` or `folder`"});
    auto power = ReadPower(session, vm, deadline);
    if (!power) return power.error();
    if (*power != "off")
      return session.Failed(Error{ErrorKind::kInvalid, "", "", "its disks cannot be read while it is " + *power,
                                  "shut the VM down first"});
    return ExportReply{};
  }

  void ServeHandles() {
    Serve<KeepExportRequest, Done>(source::kKeepExport,
                                   [this](const KeepExportRequest& request, const CallContext& context) {
                                     Deadline deadline(context.timeout, context.stop);
                                     return KeepNfc(session_, request.handle, request.percent, deadline);
                                   });
    Serve<CloseExportRequest, Done>(source::kCloseExport,
                                    [this](const CloseExportRequest& request, const CallContext& context) {
                                      Deadline deadline(context.timeout, context.stop);
                                      return CloseNfc(session_, request.handle, request.completed, deadline);
                                    });
  }

  using OpenedDisk = std::pair<OpenDiskReply, std::shared_ptr<DiskReader>>;

  Result<OpenedDisk> OpenDisk(const OpenDiskRequest& request, const CallContext& context) {
    Deadline deadline(context.timeout, context.stop);
    auto vm = FindVm(session_, request.vm, deadline);
    if (!vm) return NameVm(vm.error(), request.vm);
    auto reader = OpenReader(*vm, request, deadline);
    if (!reader) return NameVm(reader.error(), request.vm);
    return OpenedDisk(OpenDiskReply{(*reader)->size()}, *reader);
  }

  Result<std::shared_ptr<DiskReader>> OpenReader(const Moref& vm, const OpenDiskRequest& request, Deadline& deadline) {
    auto config = ReadConfig(session_, vm, deadline);
    if (!config) return config.error();
    std::vector<Disk> disks = DisksIn(config->hardware);
    if (!request.snapshot.empty()) {
      auto frozen = DisksOfSnapshot(vm, request, deadline);
      if (!frozen) return frozen.error();
      disks = *std::move(frozen);
    }
    const auto disk =
        std::find_if(disks.begin(), disks.end(), [&](const Disk& one) { return one.facts.id == request.disk; });
    if (disk == disks.end())
      return session_.Failed(Error{ErrorKind::kNotFound, "", "disk " + request.disk, "the VM has no such disk",
                                   "its hardware was changed; look at it"});
    if (request.method == "nfc") return OpenNfcDisk(session_, vm, disks, request, kIdle, deadline);
    if (disk->facts.raw_device_mapping)
      return session_.Failed(Error{ErrorKind::kInvalid, "", "disk " + request.disk,
                                   "it is a raw device mapping: its data is not on the datastore", ""});
    auto ancestors = AncestorsOf(session_, vm, deadline);
    if (!ancestors) return ancestors.error();
    return OpenFolderDisk(session_,
                          {disk->facts.path, DatacenterPath(*ancestors), disk->facts.capacity_bytes, request.offset},
                          kIdle, deadline);
  }

  // The disks as the snapshot has them: its files are not written to any more, so they can be read while the VM runs.
  Result<std::vector<Disk>> DisksOfSnapshot(const Moref& vm, const OpenDiskRequest& request, Deadline& deadline) {
    if (request.method != "folder")
      return session_.Failed(Error{ErrorKind::kInvalid, "", "disk " + request.disk,
                                   "a snapshot's disks are read by `folder`, not by `" + request.method + "`", ""});
    auto snapshot = FindSnapshot(session_, vm, request.snapshot, deadline);
    if (!snapshot) return snapshot.error();
    if (!*snapshot)
      return session_.Failed(Error{ErrorKind::kNotFound, "", "", "the snapshot to be read is gone",
                                   "somebody removed it during the run: see who, then start over"});
    auto config = Read(session_, *snapshot, {"config.hardware"}, deadline);
    if (!config) return config.error();
    return DisksIn(config->Find("config.hardware"));
  }

  Session session_;
};

Result<std::shared_ptr<Plugin>> MakeVsphere(const PluginSetup& setup) {
  SessionSettings settings;
  const auto Setting = [&](const char* name) { return setup.settings.value(name, std::string()); };
  const std::string address = Setting("url");
  settings.system = setup.name + " (" + address + ")";
  const auto Refuse = [&](Error error) {
    // An address that carries a password must not be shown.
    error.system = address.find('@') == std::string::npos ? settings.system : setup.name;
    return error;
  };
  auto url = ParseUrl(address);
  if (!url) return Refuse(url.error());
  if (!url->tls)
    return Refuse({ErrorKind::kInvalid, "", "", "`url` is not https: the password would travel in the clear",
                   "write `url` as https://HOST/sdk"});
  settings.url = *std::move(url);
  if (settings.url.target == "/") settings.url.target = "/sdk";
  settings.trust = {Setting("caFile"), Setting("thumbprint")};
  if (!settings.trust.thumbprint.empty())
    if (auto pin = NormalizeThumbprint(settings.trust.thumbprint); !pin) return Refuse(pin.error());
  settings.user = Setting("user");
  settings.password = Setting("password");
  settings.secrets = setup.secrets;
  return std::shared_ptr<Plugin>(std::make_shared<Vsphere>(std::move(settings)));
}

}  // namespace
}  // namespace vsphere

PluginKind VsphereKind() {
  return PluginKind{
      "vsphere",
      "vCenter or ESXi (API 6.5 to 9) as the platform workloads leave",
      {"source"},
      {{"url", "text", true, "address of the API: https://HOST[:PORT]/sdk"},
       {"user", "text", true, "user name, as vSphere writes it: user@domain"},
       {"password", "secret", true, "the user's password"},
       {"caFile", "path", false, "PEM file of the CA to trust; without it and `thumbprint` the system's CAs"},
       {"thumbprint", "text", false, "SHA-256 thumbprint of the server's certificate, pinned instead of a CA"}},
      vsphere::MakeVsphere};
}

}  // namespace vmferry
