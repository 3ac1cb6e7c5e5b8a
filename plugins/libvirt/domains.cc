// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/domains.h"

#include <libvirt/virterror.h>

#include <utility>
#include <vector>

#include "plugins/libvirt/boot.h"
#include "plugins/libvirt/merge.h"
#include "plugins/libvirt/storage.h"
#include "plugins/libvirt/target_facts.h"

namespace vmferry::libvirt {
namespace {

// A running domain's XML names its disks' backing files; of one that is off only the volumes know.
std::string BackingOfVolume(const Session& session, const std::string& path) {
  const VolumeHandle volume(virStorageVolLookupByPath(session.get(), path.c_str()));
  const Text xml(volume ? virStorageVolGetXMLDesc(volume.get(), 0) : nullptr);
  virResetLastError();
  return xml ? ParseVolume(xml.str()).backing : std::string();
}

Result<std::vector<DiskSource>> LocateDisks(const Session& session, const DefineRequest& request) {
  std::vector<DiskSource> sources;
  for (const DomainDiskSpec& disk : request.disks) {
    const std::string object = VolumeObject(disk.pool, disk.volume);
    Result<PoolHandle> pool = FindPool(session, disk.pool);
    if (!pool) return pool.error();
    Result<VolumeHandle> volume = FindVolume(session, pool->get(), disk.volume);
    if (!volume) return volume.error();
    if (!*volume) return session.Refuse(ErrorKind::kNotFound, object, "does not exist");
    Result<VolumeDocument> document = ReadVolume(session, volume->get(), object);
    if (!document) return document.error();
    if (document->type != "file" && document->type != "block")
      return session.Refuse(ErrorKind::kInvalid, object,
                            "lies in a pool of " + document->type + " storage, which domains cannot use yet",
                            "map the disk to a pool of files or block devices");
    sources.push_back({document->path, document->type == "block", disk.format});
  }
  return sources;
}

// Our pure functions know neither system nor object.
Error At(const Session& session, const std::string& domain, Error error) {
  error.system = session.connection()->system();
  error.object = DomainObject(domain);
  return error;
}

Result<HostChoice> ChooseFor(const Session& session, const DefineRequest& request) {
  Result<GuestSupport> guest = ReadGuestSupport(session);
  if (!guest) return guest.error();
  Result<std::string> type = UsableDomainType(session, *guest, request.domain_type);
  if (!type) return At(session, request.domain, type.error());
  Result<HostChoice> host = ChooseHost(request, *guest, *type, ReadMachineSupport(session, *guest, *type));
  if (!host) return At(session, request.domain, host.error());
  return host;
}

// The uuid to define with. A domain of ours that stands there keeps its own.
Result<std::string> ClaimName(const Session& session, const DefineRequest& request) {
  Result<DomainHandle> standing = FindDomain(session, request.domain);
  if (!standing) return standing.error();
  if (!*standing) return request.uuid;
  Result<pugi::xml_document> xml = DomainXml(session, standing->get(), true);
  if (!xml) return xml.error();
  const DomainDocument document = ReadDomain(*xml);
  if (document.key == request.key) return document.uuid;
  return session.Refuse(
      ErrorKind::kConflict, DomainObject(request.domain),
      "the target name is taken by " +
          (document.key.empty() ? std::string("a domain vmferry did not make") : "a domain with key " + document.key),
      "choose another target name or remove that domain");
}

}  // namespace

std::string DomainObject(const std::string& domain) {
  return "domain " + domain;
}

Result<DomainHandle> FindDomain(const Session& session, const std::string& domain) {
  DomainHandle handle(virDomainLookupByName(session.get(), domain.c_str()));
  if (handle) return handle;
  const Failure failure = LastFailure();
  if (failure.code == VIR_ERR_NO_DOMAIN) return DomainHandle();
  return session.Fail(failure, DomainObject(domain), "cannot be looked up");
}

Result<pugi::xml_document> DomainXml(const Session& session, virDomainPtr domain, bool persistent) {
  const std::string object = DomainObject(virDomainGetName(domain));
  const Text xml(virDomainGetXMLDesc(domain, persistent ? VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE : 0));
  if (!xml) return session.Fail(object, "cannot be described");
  pugi::xml_document document;
  if (const auto parsed = document.load_string(xml.str().c_str()); !parsed)
    return session.Refuse(ErrorKind::kCorrupt, object, std::string("its XML does not parse: ") + parsed.description());
  return document;
}

Result<DomainHandle> FindOwnDomain(const Session& session, const DomainRequest& request) {
  Result<DomainHandle> handle = FindDomain(session, request.domain);
  if (!handle || !*handle) return handle;
  Result<pugi::xml_document> xml = DomainXml(session, handle->get(), false);
  if (!xml) return xml.error();
  const DomainDocument document = ReadDomain(*xml);
  if (!request.key.empty() && document.key == request.key) return handle;
  return session.Refuse(
      ErrorKind::kConflict, DomainObject(request.domain),
      document.key.empty() ? "was not made by vmferry" : "was made with key " + document.key + ", not " + request.key,
      "look at that domain; vmferry touches only what it made itself");
}

Result<std::string> DomainState(const Session& session, virDomainPtr domain) {
  int state = 0;
  if (virDomainGetState(domain, &state, nullptr, 0) < 0)
    return session.Fail(DomainObject(virDomainGetName(domain)), "its state cannot be read");
  switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
      return std::string("running");
    case VIR_DOMAIN_PAUSED:
      return std::string("paused");
    case VIR_DOMAIN_SHUTDOWN:
      return std::string("stopping");
    case VIR_DOMAIN_SHUTOFF:
      return std::string("off");
    case VIR_DOMAIN_CRASHED:
      return std::string("crashed");
    case VIR_DOMAIN_PMSUSPENDED:
      return std::string("suspended");
    default:
      return std::string("unknown");
  }
}

Result<DomainFacts> DescribeDomain(const Session& session, const DomainQuery& query) {
  Result<DomainHandle> handle = FindDomain(session, query.domain);
  if (!handle) return handle.error();
  if (!*handle) return DomainFacts{};
  Result<std::string> state = DomainState(session, handle->get());
  if (!state) return state.error();
  Result<pugi::xml_document> xml = DomainXml(session, handle->get(), false);
  if (!xml) return xml.error();
  DomainDocument document = ReadDomain(*xml);
  for (DomainDisk& disk : document.disks)
    if (disk.backing.empty() && !disk.volume.empty()) disk.backing = BackingOfVolume(session, disk.volume);
  return DomainFacts{true,
                     std::move(document.uuid),
                     std::move(*state),
                     std::move(document.key),
                     std::move(document.disks),
                     std::move(document.macs),
                     !ReadMergeRecord(*xml).disks.empty()};
}

Result<DefineReply> EnsureDefined(const Session& session, const DefineRequest& request) {
  const std::string object = DomainObject(request.domain);
  if (request.key.empty() || request.cpus <= 0 || request.memory_mib <= 0)
    return session.Refuse(ErrorKind::kInvalid, object, "needs a key, CPUs and memory");
  Result<std::string> uuid = ClaimName(session, request);
  if (!uuid) return uuid.error();
  Result<std::vector<DiskSource>> sources = LocateDisks(session, request);
  if (!sources) return sources.error();
  Result<HostChoice> host = ChooseFor(session, request);
  if (!host) return host.error();
  const Result<ConsoleRecord> console = PlaceConsole(session, request);
  if (!console) return console.error();
  DefineRequest named = request;
  named.uuid = *uuid;
  Result<std::string> xml = BuildDomainXml(named, *host, *sources, *console);
  if (!xml) return At(session, request.domain, xml.error());
  const DomainHandle defined(virDomainDefineXMLFlags(session.get(), xml->c_str(), VIR_DOMAIN_DEFINE_VALIDATE));
  if (!defined) return session.Fail(object, "cannot be defined");
  Result<pugi::xml_document> stored = DomainXml(session, defined.get(), true);
  if (!stored) return stored.error();
  return DefineReply{ReadDomain(*stored).uuid, Print(stored->child("domain"))};
}

Result<Done> EnsureUndefined(const Session& session, const DomainRequest& request) {
  const std::string object = DomainObject(request.domain);
  Result<DomainHandle> handle = FindOwnDomain(session, request);
  if (!handle) return handle.error();
  if (!*handle) return Done{};
  if (virDomainIsActive(handle->get()) != 0)
    return session.Refuse(ErrorKind::kConflict, object, "is still running, so its definition stays", "stop it first");
  Result<pugi::xml_document> xml = DomainXml(session, handle->get(), true);
  if (!xml) return xml.error();
  unsigned flags = VIR_DOMAIN_UNDEFINE_MANAGED_SAVE | VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA;
  const DomainDocument document = ReadDomain(*xml);
  // Before the definition, which alone says where it is.
  if (const Status removed = RemoveConsole(session, document.console); !removed) return removed.error();
  if (document.has_nvram) flags |= VIR_DOMAIN_UNDEFINE_NVRAM;  // EFI variables are made anew with the domain
  if (virDomainUndefineFlags(handle->get(), flags) < 0) return session.Fail(object, "cannot be undefined");
  return Done{};
}

}  // namespace vmferry::libvirt
