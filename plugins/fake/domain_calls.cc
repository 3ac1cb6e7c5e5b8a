// SPDX-License-Identifier: Apache-2.0
//
// The fake as a target platform: the host and its domains. A definition is stored as JSON, not as XML.
#include <algorithm>
#include <cstdio>

#include "plugins/fake/fake_plugin.h"
#include "plugins/target_boot.h"

namespace vmferry {
namespace {

std::string ObjectOf(const FakeDomain& domain) {
  return "domain " + domain.spec.domain;
}

void Stop(const Scene& scene, FakeDomain& domain) {
  domain.state = "off";
  domain.stop_left = -1;
  Record(scene.world, scene.call, "target-off", domain.spec.domain);
}

// A boot takes looks; one of a guest that "stops" ends with the domain off.
void LookAtBoot(const Scene& scene, FakeDomain& domain) {
  const FakeHost& host = scene.world.host;
  if (domain.state != "running" || domain.boot_looks >= host.boot_polls) return;
  Touch(scene.world);
  if (++domain.boot_looks >= host.boot_polls && host.boot == "stops") Stop(scene, domain);
}

// Null if there is none. Counts as a look: a requested stop and the end of a boot come nearer.
FakeDomain* LookAt(const Scene& scene, const std::string& name) {
  FakeDomain* domain = FindDomain(scene.world, name);
  if (domain != nullptr && domain->stop_left > 0 && !domain->deaf) {
    Touch(scene.world);
    if (--domain->stop_left == 0) Stop(scene, *domain);
  }
  if (domain != nullptr) LookAtBoot(scene, *domain);
  return domain;
}

Status CheckKey(const Scene& scene, const FakeDomain& domain, const std::string& key) {
  if (domain.spec.key == key && !key.empty()) return Ok();
  return Fail(scene, ErrorKind::kConflict, ObjectOf(domain),
              domain.spec.key.empty() ? "was not made by vmferry" : "belongs to " + domain.spec.key,
              "choose another name on the target or remove that domain");
}

Result<FakeDomain*> ResolveDomain(const Scene& scene, const DomainRequest& request) {
  FakeDomain* domain = LookAt(scene, request.domain);
  if (domain == nullptr)
    return Fail(scene, ErrorKind::kNotFound, "domain " + request.domain, "there is no such domain");
  if (const Status ours = CheckKey(scene, *domain, request.key); !ours) return ours.error();
  return domain;
}

std::uint64_t ReservedBytes(const FakePool& pool) {
  std::uint64_t bytes = 0;
  for (const FakeVolume& volume : pool.volumes)
    if (volume.name.ends_with(kReserveSuffix)) bytes += volume.capacity_bytes;
  return bytes;
}

Result<TargetFacts> DescribeTarget(Scene& scene, const PlatformQuery&) {
  const FakeHost& host = scene.world.host;
  TargetFacts facts;
  facts.product = "fake QEMU";
  facts.host = "fake-host";
  facts.cpus = host.cpus;
  facts.memory_mib = host.memory_mib;
  facts.memory_free_mib = host.memory_mib;
  for (const FakeDomain& domain : scene.world.domains)
    if (domain.state != "off") facts.memory_free_mib -= domain.spec.memory_mib;
  facts.domain_types = host.domain_types;
  facts.firmwares = host.firmwares;
  facts.networks = host.networks;
  for (const FakePool& pool : scene.world.pools)
    facts.pools.push_back(
        {pool.name, pool.type, true, pool.capacity_bytes, pool.capacity_bytes - UsedBytes(pool), ReservedBytes(pool)});
  return facts;
}

Result<DomainFacts> DescribeDomain(Scene& scene, const DomainQuery& query) {
  const FakeDomain* domain = LookAt(scene, query.domain);
  DomainFacts facts;
  if (domain == nullptr) return facts;
  facts.exists = true;
  facts.uuid = domain->uuid;
  facts.state = domain->state;
  facts.key = domain->spec.key;
  const std::string prefix = domain->spec.disk_bus == "virtio" ? "vd" : "sd";
  for (const DomainDiskSpec& disk : domain->spec.disks) {
    const FakeVolume* volume = FindVolume(scene.world, disk.pool, disk.volume);
    const std::string backing =
        volume == nullptr || volume->backing.empty() ? "" : VolumePath(disk.pool, volume->backing);
    const char letter = static_cast<char>('a' + facts.disks.size());
    facts.disks.push_back(
        {prefix + letter, VolumePath(disk.pool, disk.volume), disk.format, backing, disk.cache, disk.discard, disk.io});
    facts.merging = facts.merging || (domain->merge_done > 0 && !backing.empty());
  }
  for (const DomainNicSpec& nic : domain->spec.nics) facts.macs.push_back(nic.mac);
  return facts;
}

bool Has(const std::vector<std::string>& list, const std::string& entry) {
  return std::find(list.begin(), list.end(), entry) != list.end();
}

Status CheckDefinition(const Scene& scene, const DefineRequest& request) {
  const std::string object = "domain " + request.domain;
  const FakeHost& host = scene.world.host;
  if (request.key.empty()) return Fail(scene, ErrorKind::kInvalid, object, "a definition needs our key");
  if (request.cpus <= 0 || request.memory_mib <= 0)
    return Fail(scene, ErrorKind::kInvalid, object, "needs at least one CPU and some memory");
  if (!Has(host.firmwares, request.firmware))
    return Fail(scene, ErrorKind::kInvalid, object, "firmware \"" + request.firmware + "\" is not available");
  if (request.domain_type != "auto" && !Has(host.domain_types, request.domain_type))
    return Fail(scene, ErrorKind::kInvalid, object, "domain type \"" + request.domain_type + "\" is not available");
  for (const DomainDiskSpec& disk : request.disks)
    if (FindVolume(scene.world, disk.pool, disk.volume) == nullptr)
      return Fail(scene, ErrorKind::kNotFound, "volume " + disk.volume + " of pool " + disk.pool,
                  "there is no such volume for " + object);
  for (const FakeDomain& other : scene.world.domains)
    if (!request.uuid.empty() && other.uuid == request.uuid && other.spec.domain != request.domain)
      return Fail(scene, ErrorKind::kConflict, object, "its uuid is taken by domain " + other.spec.domain);
  return Ok();
}

std::string NewUuid(const Scene& scene) {
  char text[48];
  std::snprintf(text, sizeof text, "fa4e0000-0000-4000-8000-%012llx",
                static_cast<unsigned long long>(scene.world.revision + 1));
  return text;
}

Result<DefineReply> EnsureDefined(Scene& scene, const DefineRequest& request) {
  FakeDomain* domain = LookAt(scene, request.domain);
  if (domain != nullptr)
    if (const Status ours = CheckKey(scene, *domain, request.key); !ours) return ours.error();
  if (const Status valid = CheckDefinition(scene, request); !valid) return valid.error();
  if (domain == nullptr) {
    FakeDomain fresh;
    fresh.uuid = request.uuid.empty() ? NewUuid(scene) : request.uuid;
    fresh.stop_polls = scene.world.host.stop_polls;
    fresh.merge_polls = scene.world.host.merge_polls;
    domain = &scene.world.domains.emplace_back(std::move(fresh));
  } else if (Json(domain->spec) == Json(request)) {
    return DefineReply{domain->uuid, Json(domain->spec).dump()};
  }
  domain->spec = request;
  Record(scene.world, scene.call, "domain-defined", request.domain, {{"key", request.key}});
  return DefineReply{domain->uuid, Json(domain->spec).dump()};
}

Result<Done> EnsureUndefined(Scene& scene, const DomainRequest& request) {
  const FakeDomain* domain = LookAt(scene, request.domain);
  if (domain == nullptr) return Done{};
  if (const Status ours = CheckKey(scene, *domain, request.key); !ours) return ours.error();
  if (domain->state != "off")
    return Fail(scene, ErrorKind::kInvalid, ObjectOf(*domain), "is " + domain->state, "stop it first");
  Record(scene.world, scene.call, "domain-undefined", request.domain);
  std::erase_if(scene.world.domains, [&](const FakeDomain& entry) { return entry.spec.domain == request.domain; });
  return Done{};
}

Status CheckStart(const Scene& scene, const FakeDomain& domain) {
  for (const DomainNicSpec& nic : domain.spec.nics)
    if (nic.network.starts_with("network:") && !Has(scene.world.host.networks, nic.network.substr(8)))
      return Fail(scene, ErrorKind::kInvalid, ObjectOf(domain), "there is no network " + nic.network.substr(8));
  for (const DomainDiskSpec& disk : domain.spec.disks) {
    const Result<SparseBytes> content = ReadThroughChain(scene.world, disk.pool, disk.volume);
    if (!content) return Fail(scene, ErrorKind::kNotFound, content.error().object, content.error().message);
    if (InUse(scene.world, disk.pool, disk.volume))
      return Fail(scene, ErrorKind::kConflict, "volume " + disk.volume + " of pool " + disk.pool,
                  "is in use by another running domain");
  }
  return Ok();
}

Result<DomainReply> EnsureRunning(Scene& scene, const DomainRequest& request) {
  const Result<FakeDomain*> domain = ResolveDomain(scene, request);
  if (!domain) return domain.error();
  if ((*domain)->state == "off") {
    if (const Status startable = CheckStart(scene, **domain); !startable) return startable.error();
    (*domain)->state = "running";
    (*domain)->boot_looks = 0;
    Record(scene.world, scene.call, "target-on", request.domain, {{"on_network", OnNetwork(**domain)}});
  }
  return DomainReply{true, (*domain)->state};
}

Result<DomainReply> RequestStop(Scene& scene, const DomainRequest& request) {
  const Result<FakeDomain*> found = ResolveDomain(scene, request);
  if (!found) return found.error();
  FakeDomain& domain = **found;
  if (domain.state != "off" && domain.stop_left < 0) {
    domain.stop_left = domain.stop_polls;
    Record(scene.world, scene.call, "stop-asked", request.domain);
    if (domain.stop_left == 0 && !domain.deaf) Stop(scene, domain);
  }
  return DomainReply{domain.state == "off", domain.state};
}

Result<DomainReply> EnsureStopped(Scene& scene, const DomainRequest& request) {
  FakeDomain* domain = LookAt(scene, request.domain);
  if (domain == nullptr) return DomainReply{true, "off"};
  if (const Status ours = CheckKey(scene, *domain, request.key); !ours) return ours.error();
  if (domain->state != "off") Stop(scene, *domain);
  return DomainReply{true, "off"};
}

bool Booted(const WorldData& world, const FakeDomain& domain) {
  return domain.state == "running" && domain.boot_looks >= world.host.boot_polls && world.host.boot != "hangs";
}

Result<ConsoleReply> ReadConsole(Scene& scene, const DomainRequest& request) {
  const Result<FakeDomain*> domain = ResolveDomain(scene, request);
  if (!domain) return domain.error();
  ConsoleReply reply;
  reply.recorded = !(*domain)->spec.console_pool.empty();
  reply.why = reply.recorded ? "" : "the definition records no console";
  if (!reply.recorded) return reply;
  if ((*domain)->boot_looks > 0 || Booted(scene.world, **domain)) reply.text = "Linux version 6.1.0\nmounting /data\n";
  if (Booted(scene.world, **domain)) reply.text += "GUEST-READY nic=eth0\n";
  reply.written_bytes = reply.text.size();
  return reply;
}

Result<AgentReply> PingAgent(Scene& scene, const DomainRequest& request) {
  const Result<FakeDomain*> domain = ResolveDomain(scene, request);
  if (!domain) return domain.error();
  if (!(*domain)->spec.guest_agent)
    return Fail(scene, ErrorKind::kInvalid, ObjectOf(**domain), "has no channel for a guest agent",
                "choose another boot proof");
  const bool answers = Booted(scene.world, **domain) && scene.world.host.boot != "no agent";
  return AgentReply{answers, answers ? "" : "the guest agent is not connected"};
}

// Moves the overlay's blocks into the volume below, which is then no sealed copy any more.
void Merge(WorldData& world, DomainDiskSpec& disk) {
  FakeVolume* overlay = FindVolume(world, disk.pool, disk.volume);
  FakeVolume* base = FindVolume(world, disk.pool, overlay->backing);
  base->content.Overlay(overlay->content);
  base->seal.clear();
  const std::string name = overlay->name;
  disk.volume = base->name;
  disk.format = base->format;
  std::erase_if(FindPool(world, disk.pool)->volumes, [&](const FakeVolume& entry) { return entry.name == name; });
}

Result<MergeReply> MergeOverlays(Scene& scene, const DomainRequest& request) {
  const Result<FakeDomain*> found = ResolveDomain(scene, request);
  if (!found) return found.error();
  FakeDomain& domain = **found;
  std::vector<DomainDiskSpec*> overlaid;
  for (DomainDiskSpec& disk : domain.spec.disks) {
    const Result<SparseBytes> whole = ReadThroughChain(scene.world, disk.pool, disk.volume);
    if (!whole) return Fail(scene, whole.error().kind, whole.error().object, whole.error().message);
    if (!FindVolume(scene.world, disk.pool, disk.volume)->backing.empty()) overlaid.push_back(&disk);
  }
  if (overlaid.empty()) return MergeReply{true, 100};
  if (domain.merge_done < domain.merge_polls) {
    Touch(scene.world);
    return MergeReply{false, 100 * domain.merge_done++ / domain.merge_polls};
  }
  for (DomainDiskSpec* disk : overlaid) Merge(scene.world, *disk);
  Record(scene.world, scene.call, "merged", request.domain);
  return MergeReply{true, 100};
}

}  // namespace

void FakePlugin::ServeDomains() {
  On(target::kDescribeTarget, DescribeTarget);
  On(target::kDescribeDomain, DescribeDomain);
  On(target::kEnsureDefined, EnsureDefined);
  On(target::kEnsureUndefined, EnsureUndefined);
  On(target::kEnsureRunning, EnsureRunning);
  On(target::kRequestStop, RequestStop);
  On(target::kEnsureStopped, EnsureStopped);
  On(target::kMergeOverlays, MergeOverlays);
  On(target::kReadConsole, ReadConsole);
  On(target::kPingAgent, PingAgent);
}

}  // namespace vmferry
