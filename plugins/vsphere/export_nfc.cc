// SPDX-License-Identifier: Apache-2.0
#include "plugins/vsphere/export_nfc.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "plugins/vsphere/faults.h"
#include "plugins/vsphere/property_collector.h"
#include "plugins/vsphere/task.h"
#include "plugins/vsphere/vmdk_stream.h"

namespace vmferry::vsphere {
namespace {

constexpr std::chrono::milliseconds kPause{100};

Moref LeaseRef(const LeaseHandle& handle) {
  return {"HttpNfcLease", handle.lease};
}

Error LeaseError(const Session& session, ErrorKind kind, const LeaseHandle& handle, const std::string& message,
                 const std::string& advice) {
  return session.Failed(Error{kind, "", "export lease " + handle.lease, message, advice});
}

bool IsExport(std::string description) {
  std::transform(description.begin(), description.end(), description.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return description.find("export") != std::string::npos;
}

// The export task that runs on the VM now; empty when none is to be seen.
Result<std::string> RunningExport(Session& session, const Moref& vm, Deadline& deadline) {
  auto read = Read(session, vm, {"recentTask"}, deadline);
  if (!read) return read.error();
  std::vector<Moref> tasks;
  for (const pugi::xml_node task : read->Find("recentTask").children()) tasks.push_back(RefIn(task));
  // One by one: a task that is forgotten in between must not hide the others.
  for (const Moref& task : tasks) {
    auto info = Read(session, task, {"info.state", "info.descriptionId"}, deadline);
    if (!info && info.error().kind == ErrorKind::kNotFound) continue;
    if (!info) return info.error();
    const std::string state = info->Text("info.state");
    if ((state == "running" || state == "queued") && IsExport(info->Text("info.descriptionId"))) return task.value;
  }
  return std::string();
}

// The lease is not to be reached from our session. Its task tells whether it is still open, and cancelling it ends it.
Result<Done> EndByTask(Session& session, const LeaseHandle& handle, Deadline& deadline) {
  const Error open = LeaseError(session, ErrorKind::kUnavailable, handle,
                                "the export of an earlier session is still open and cannot be ended from here",
                                "it ends by itself within some minutes; it is tried again later");
  if (handle.task.empty()) {
    auto running = RunningExport(session, {"VirtualMachine", handle.vm}, deadline);
    if (!running && running.error().kind == ErrorKind::kNotFound) return Done{};  // with the VM
    if (!running) return running.error();
    if (running->empty()) return Done{};
    return open;  // it may be another's: not to be cancelled by a guess
  }
  auto task = LookAtTask(session, handle.task, deadline);
  if (!task) return task.error();
  if (task->finished || task->gone) return Done{};
  if (Status cancelled = CancelTask(session, handle.task, deadline); !cancelled) {
    if (cancelled.error().kind == ErrorKind::kNotFound) return Done{};
    return cancelled.error().kind == ErrorKind::kInvalid ? open : cancelled.error();
  }
  task = WaitForTask(session, handle.task, deadline);
  if (!task) return task.error();
  if (task->finished || task->gone) return Done{};
  return open;
}

struct LeaseView {
  std::string state;
  Properties properties;
  pugi::xml_node info;
};

// Until the lease is ready.
Result<LeaseView> AwaitReady(Session& session, const LeaseHandle& handle, Deadline& deadline) {
  for (;;) {
    auto read = Read(session, LeaseRef(handle), {"state", "info", "error"}, deadline);
    if (!read && read.error().kind == ErrorKind::kNotFound)
      return LeaseError(session, ErrorKind::kNotFound, handle, "the platform does not know this lease (any more)",
                        "close this export and open a new one; a lease does not outlive its session");
    if (!read) return read.error();
    const std::string state = read->Text("state");
    if (state == "ready") {
      LeaseView view{state, *std::move(read), {}};
      view.info = view.properties.Find("info");
      return view;
    }
    if (state == "error") {
      Error error = session.Failed(FaultError(ReadLocalizedFault(read->Find("error")), "the export"));
      error.object = "export lease " + handle.lease;
      return error;
    }
    if (state != "initializing")
      return LeaseError(session, ErrorKind::kNotFound, handle, "the lease has ended (" + state + ")",
                        "open a new export");
    const Deadline nap(std::min(kPause, deadline.Left()), deadline.stop());
    if (nap.For(-1, 0) == Deadline::Wait::kStopped || deadline.Left().count() == 0)
      return LeaseError(session, ErrorKind::kTimedOut, handle, "the lease is still being prepared", "");
  }
}

// HostConfigInfo.certificate is an array of signed bytes.
std::string BytesIn(pugi::xml_node value) {
  std::string bytes;
  for (const pugi::xml_node byte : value.children())
    if (byte.type() == pugi::node_element) bytes += static_cast<char>(byte.text().as_int());
  return bytes;
}

// The certificate of the VM's host as the platform tells it over the verified session; empty when it does not.
std::string HostCertificate(Session& session, const Moref& vm, Deadline& deadline) {
  auto read = Read(session, vm, {"runtime.host"}, deadline);
  if (!read) return "";
  const Moref host = RefIn(read->Find("runtime.host"));
  if (!host) return "";
  auto config = Read(session, host, {"config.certificate"}, deadline);
  return config ? BytesIn(config->Find("config.certificate")) : "";
}

// Starts the download. The API's own host is trusted as ever; another host by the CA file, or else by the certificate
// that the platform tells for it (the lease's since 9.0).
Result<std::unique_ptr<HttpDownload>> StartDownload(Session& session, const Url& url, const Moref& vm,
                                                    const DeviceUrl& device, Deadline& deadline) {
  const SessionSettings& settings = session.settings();
  HttpRequest get;
  get.target = url.target;
  const auto Try = [&](const TlsTrust& trust) {
    return HttpClient(settings.system, url, trust).Open(get, Within(deadline));
  };
  if (url.host == settings.url.host) return Try(settings.trust);
  const bool by_ca = !settings.trust.ca_file.empty();
  auto opened = by_ca ? Try(TlsTrust{settings.trust.ca_file, ""})
                      : Result<std::unique_ptr<HttpDownload>>(Error{ErrorKind::kDenied, "", "", "", ""});
  if (opened || opened.error().kind != ErrorKind::kDenied) return opened;
  const auto pin =
      ThumbprintOfPem(device.certificate.empty() ? HostCertificate(session, vm, deadline) : device.certificate);
  if (pin) {
    opened = Try(TlsTrust{"", *pin});
    if (opened || opened.error().kind != ErrorKind::kDenied) return opened;
    Error error = opened.error();
    error.advice =
        "the platform knows this host by the certificate named as pinned: reconnect the host there, or set "
        "`caFile` to the CA that signed the host's certificate";
    return error;
  }
  return by_ca ? std::move(opened) : Try(TlsTrust{});
}

class NfcReader final : public DiskReader {
 public:
  NfcReader(std::string system, std::unique_ptr<VmdkStream> stream)
      : system_(std::move(system)), stream_(std::move(stream)) {}
  std::uint64_t size() const override { return stream_->capacity(); }
  Result<Piece> Next(std::span<std::byte> buffer) override {
    auto piece = stream_->Next(buffer);
    if (!piece) return Named(piece.error());
    return piece;
  }

 private:
  Error Named(Error error) const {
    error.system = system_;
    return error;
  }
  std::string system_;
  std::unique_ptr<VmdkStream> stream_;
};

}  // namespace

std::string HandleText(const LeaseHandle& handle) {
  return Json{{"lease", handle.lease}, {"vm", handle.vm}, {"task", handle.task}}.dump();
}

Result<LeaseHandle> ParseHandle(const std::string& text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || !json.contains("lease") || !json["lease"].is_string())
    return Error{ErrorKind::kInvalid, "", "", "this is not a handle of an export",
                 "close this export and open another"};
  return LeaseHandle{json["lease"], json.value("vm", ""), json.value("task", "")};
}

Result<ExportReply> OpenNfc(Session& session, const Moref& vm, Deadline& deadline) {
  auto answer = session.Call(SoapCall("ExportVm", vm), Access::kWrite, deadline);
  if (!answer) return answer.error();
  LeaseHandle handle{RefIn(answer->returnval()).value, vm.value, ""};
  // Without the task the export can only be waited out after a crash; no reason to fail.
  auto task = RunningExport(session, vm, deadline);
  if (task) handle.task = *task;
  return ExportReply{HandleText(handle)};
}

Result<Done> KeepNfc(Session& session, const std::string& text, int percent, Deadline& deadline) {
  if (text.empty()) return Done{};
  auto handle = ParseHandle(text);
  if (!handle) return session.Failed(handle.error());
  SoapCall call("HttpNfcLeaseProgress", LeaseRef(*handle));
  call.Text("percent", std::to_string(std::clamp(percent, 0, 100)));
  // Telling it twice does no harm, so a lost answer is not an unknown outcome.
  auto answer = session.Try(call, Access::kRead, deadline);
  if (!answer) return answer.error();
  if (!answer->fault) return Done{};
  const SoapFault& fault = *answer->fault;
  if (fault.type == "ManagedObjectNotFound" || fault.type == "InvalidState" || fault.type == "Timedout")
    return LeaseError(session, ErrorKind::kNotFound, *handle, "the lease has ended (" + fault.type + ")",
                      "open a new export and copy the disks from their beginning");
  return session.Failed(FaultError(fault, call.method()));
}

Result<Done> CloseNfc(Session& session, const std::string& text, bool completed, Deadline& deadline) {
  if (text.empty()) return Done{};
  auto handle = ParseHandle(text);
  if (!handle) return session.Failed(handle.error());
  const SoapCall call(completed ? "HttpNfcLeaseComplete" : "HttpNfcLeaseAbort", LeaseRef(*handle));
  auto answer = session.Try(call, Access::kWrite, deadline);
  if (!answer) return answer.error();
  if (!answer->fault || answer->fault->type == "InvalidState") return Done{};
  if (answer->fault->type == "ManagedObjectNotFound" || answer->fault->type == "NoPermission")
    return EndByTask(session, *handle, deadline);
  return session.Failed(FaultError(*answer->fault, call.method()));
}

Result<DeviceUrl> ChooseDeviceUrl(pugi::xml_node lease_info, const std::vector<Disk>& disks, const std::string& id) {
  const auto disk = std::find_if(disks.begin(), disks.end(), [&](const Disk& one) { return one.facts.id == id; });
  if (disk == disks.end()) return Error{ErrorKind::kNotFound, "", "disk " + id, "the VM has no such disk", ""};
  const std::string place = std::to_string(disk->facts.bus) + ":" + std::to_string(disk->facts.unit);
  std::vector<pugi::xml_node> by_place;
  for (const pugi::xml_node url : Children(lease_info, "deviceUrl")) {
    if (!FlagAt(url, "disk")) continue;
    const std::string key = TextAt(url, "key");
    const std::string device = key.substr(key.rfind('/') + 1);
    if (device == disk->controller_type + place) return DeviceUrl{TextAt(url, "url"), TextAt(url, "sslCertificate")};
    // The controller may be called otherwise; then bus and unit decide, if they do.
    const auto tail = device.find_last_not_of("0123456789:");
    if (device.substr(tail == std::string::npos ? 0 : tail + 1) == place) by_place.push_back(url);
  }
  const auto same_place = std::count_if(disks.begin(), disks.end(), [&](const Disk& one) {
    return one.facts.bus == disk->facts.bus && one.facts.unit == disk->facts.unit;
  });
  if (by_place.size() == 1 && same_place == 1)
    return DeviceUrl{TextAt(by_place.front(), "url"), TextAt(by_place.front(), "sslCertificate")};
  return Error{ErrorKind::kCorrupt, "", "disk " + id,
               "the export lease offers no download for " + disk->controller_type + " " + place,
               "independent and raw disks are not exported; copy this one by `folder`, or detach it"};
}

Result<Url> ResolveDeviceUrl(const std::string& text, const Url& api) {
  auto url = ParseUrl(text);
  // The ticket in the path is a secret, and ParseUrl shows what it was given.
  if (!url) return Error{ErrorKind::kCorrupt, "", "", "the export lease names an address that is none", ""};
  if (url->host == "*") url->host = api.host;
  if (!url->tls)
    return Error{ErrorKind::kDenied, "", "", "the export lease names an address without TLS", "switch TLS on there"};
  return url;
}

Result<std::shared_ptr<DiskReader>> OpenNfcDisk(Session& session, const Moref& vm, const std::vector<Disk>& disks,
                                                const OpenDiskRequest& request, std::chrono::milliseconds idle,
                                                Deadline& deadline) {
  if (request.offset != 0)
    return session.Failed(Error{ErrorKind::kInvalid, "", "disk " + request.disk,
                                "an NFC export cannot start in the middle of a disk", "start at 0, or use `folder`"});
  auto handle = ParseHandle(request.handle);
  if (!handle) return session.Failed(handle.error());
  auto lease = AwaitReady(session, *handle, deadline);
  if (!lease) return lease.error();
  auto device = ChooseDeviceUrl(lease->info, disks, request.disk);
  if (!device) return session.Failed(device.error());
  auto url = ResolveDeviceUrl(device->url, session.settings().url);
  if (!url) return session.Failed(url.error());
  auto opened = StartDownload(session, *url, vm, *device, deadline);
  if (!opened) return opened.error();
  const int status = (*opened)->head().status;
  if (status != 200)
    return LeaseError(session, status == 404 ? ErrorKind::kNotFound : ErrorKind::kUnavailable, *handle,
                      "the download of disk " + request.disk + " was answered with HTTP " + std::to_string(status), "");
  std::shared_ptr<HttpDownload> download = *std::move(opened);
  // The header still belongs to this call, the disk's data does not.
  const auto wait = std::make_shared<std::chrono::milliseconds>(deadline.Left());
  auto stream =
      VmdkStream::Open([download, wait](std::span<std::byte> buffer) { return download->Read(buffer, *wait); });
  if (!stream) return session.Failed(stream.error());
  *wait = idle;
  const auto disk = std::find_if(disks.begin(), disks.end(), [&](const Disk& d) { return d.facts.id == request.disk; });
  if (disk == disks.end() || (*stream)->capacity() != disk->facts.capacity_bytes)
    return session.Failed(Error{ErrorKind::kCorrupt, "", "disk " + request.disk,
                                "the export has " + std::to_string((*stream)->capacity()) + " bytes, the VM's disk not",
                                "look at the disk on the platform"});
  return std::shared_ptr<DiskReader>(std::make_shared<NfcReader>(session.settings().system, *std::move(stream)));
}

}  // namespace vmferry::vsphere
