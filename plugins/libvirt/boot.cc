// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/boot.h"

#include <libvirt/libvirt-qemu.h>
#include <libvirt/virterror.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "plugins/console_text.h"
#include "plugins/libvirt/domains.h"
#include "plugins/libvirt/storage.h"
#include "plugins/libvirt/transfer.h"
#include "plugins/printable.h"

namespace vmferry::libvirt {
namespace {

constexpr int kAgentSeconds = 5;  // an agent that is there answers at once
constexpr std::size_t kShownWords = 300;

Result<DomainHandle> RequireOwnDomain(const Session& session, const DomainRequest& request) {
  Result<DomainHandle> handle = FindOwnDomain(session, request);
  if (handle && !*handle)
    return session.Refuse(ErrorKind::kNotFound, DomainObject(request.domain), "does not exist");
  return handle;
}

// The folder of a pool of files; empty for others.
Result<std::string> FolderOf(const Session& session, virStoragePoolPtr pool) {
  const Text xml(virStoragePoolGetXMLDesc(pool, 0));
  if (!xml) return session.Fail(PoolObject(virStoragePoolGetName(pool)), "cannot be described");
  pugi::xml_document document;
  if (!document.load_string(xml.str().c_str())) return std::string();
  const std::string_view type = document.child("pool").attribute("type").value();
  if (type != "dir" && type != "fs" && type != "netfs") return std::string();
  return std::string(document.child("pool").child("target").child("path").child_value());
}

}  // namespace

Result<ConsoleRecord> PlaceConsole(const Session& session, const DefineRequest& request) {
  if (request.console_pool.empty()) return ConsoleRecord();
  const Result<PoolHandle> pool = FindPool(session, request.console_pool);
  if (!pool) return pool.error();
  const Result<std::string> folder = FolderOf(session, pool->get());
  if (!folder) return folder.error();
  const std::string name = request.domain + "-" + request.key.substr(0, 12) + ".console";
  return ConsoleRecord{request.console_pool, name, folder->empty() ? "" : *folder + "/" + name};
}

Status RemoveConsole(const Session& session, const ConsoleRecord& record) {
  if (record.volume.empty()) return Ok();
  const Result<PoolHandle> pool = FindPool(session, record.pool);
  if (!pool) return pool.error();
  if (virStoragePoolRefresh(pool->get(), 0) < 0) virResetLastError();  // uploads at work: what it knows must do
  for (const char* part : {"", ".0", ".1", ".2", ".3"}) {
    const Result<VolumeHandle> volume = FindVolume(session, pool->get(), record.volume + part, Listing::kAsItIs);
    if (!volume) return volume.error();
    if (*volume && virStorageVolDelete(volume->get(), 0) < 0)
      return session.Fail(VolumeObject(record.pool, record.volume + part), "cannot be removed");
  }
  return Ok();
}

Result<ConsoleReply> ReadConsole(const Session& session, const DomainRequest& request) {
  const Result<DomainHandle> domain = RequireOwnDomain(session, request);
  if (!domain) return domain.error();
  const Result<pugi::xml_document> xml = DomainXml(session, domain->get(), false);
  if (!xml) return xml.error();
  const ConsoleRecord record = ReadDomain(*xml).console;
  ConsoleReply reply;
  reply.why = "the domain's definition records no console; that needs a pool of files (dir, fs, netfs)";
  if (record.volume.empty()) return reply;
  reply = ConsoleReply{true, "", 0, ""};
  const std::string object = VolumeObject(record.pool, record.volume);
  const Result<PoolHandle> pool = FindPool(session, record.pool);
  if (!pool) return pool.error();
  Result<VolumeHandle> volume = FindVolume(session, pool->get(), record.volume);
  if (!volume) return volume.error();
  if (!*volume) return reply;  // it was never started
  // Not the capacity: a guest may write what looks like the header of a disk image.
  virStorageVolInfo info{};
  if (virStorageVolGetInfoFlags(volume->get(), &info, VIR_STORAGE_VOL_GET_PHYSICAL) < 0)
    return session.Fail(object, "its size cannot be read");
  reply.written_bytes = info.allocation;
  const std::uint64_t length = std::min<std::uint64_t>(reply.written_bytes, kMostConsole);
  const OpenVolume open{record.pool, record.volume, std::move(*volume), {}};
  const Result<std::string> bytes = ReadRange(session, open, reply.written_bytes - length, length);
  if (!bytes) return bytes.error();
  reply.text = ConsoleText(*bytes);
  return reply;
}

Result<AgentReply> PingAgent(const Session& session, const DomainRequest& request) {
  const Result<DomainHandle> domain = RequireOwnDomain(session, request);
  if (!domain) return domain.error();
  const Text answer(virDomainQemuAgentCommand(domain->get(), R"({"execute":"guest-ping"})", kAgentSeconds, 0));
  if (answer) return AgentReply{true, ""};
  // libvirt has many codes, more with every release, for an agent that does not answer; fewer for what cannot be asked.
  const Failure failure = LastFailure();
  const bool never = failure.code == VIR_ERR_NO_SUPPORT || failure.code == VIR_ERR_ARGUMENT_UNSUPPORTED ||
                     failure.code == VIR_ERR_CONFIG_UNSUPPORTED;
  const bool ours = IsTransport(failure) || KindOfCall(failure, Access::kRead, false) == ErrorKind::kDenied;
  if (!never && !ours) return AgentReply{false, Printable(failure.message, kShownWords)};
  return session.Fail(failure, DomainObject(request.domain), "its guest agent cannot be asked",
                      never ? "give the domain a channel org.qemu.guest_agent.0, or choose another boot proof" : "");
}

}  // namespace vmferry::libvirt
