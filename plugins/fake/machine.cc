// SPDX-License-Identifier: Apache-2.0
#include "plugins/fake/machine.h"

#include <list>

namespace vmferry {
namespace {

Answer Refused(const std::string& why) {
  return Answer{0, "", "connection refused: " + why, 0};
}

Answer Serve(const WorldData& world, const Result<GuestOnDisk>& guest, const std::string& path, bool on_target) {
  if (!guest) return Refused("the guest did not boot: " + guest.error().object + ": " + guest.error().message);
  const auto entry = world.guests.find(guest->name);
  const FakeGuest behaviour = entry == world.guests.end() ? FakeGuest{} : entry->second;
  if (on_target ? behaviour.sick_on_target : behaviour.sick_on_source)
    return Answer{503, guest->name + " is sick", "", behaviour.latency_ms};
  Answer answer{200, "", "", behaviour.latency_ms};
  if (path == "/records") {
    for (const std::string& record : guest->records) answer.body += record + "\n";
  } else {
    answer.body = std::string("answered by ") + (on_target ? "QEMU" : "VMware") + " (" + guest->name +
                  R"() {"status":"ok"})";
  }
  return answer;
}

Status PostToDomain(WorldData& world, FakeDomain& domain, const std::string& record) {
  const Answer answer = AskDomain(world, domain, "/");
  if (answer.status != 200)
    return Error{ErrorKind::kUnavailable, "", "domain " + domain.spec.domain, answer.why + answer.body, ""};
  const DomainDiskSpec& disk = domain.spec.disks.front();
  Result<SparseBytes> content = ReadThroughChain(world, disk.pool, disk.volume);
  if (!content) return content.error();
  const SparseBytes before = *content;
  AppendRecord(*content, record);
  FakeVolume* volume = FindVolume(world, disk.pool, disk.volume);
  for (std::uint64_t at = 0; at < 16 * SparseBytes::kBlock; at += SparseBytes::kBlock) {
    const std::string block = content->Read(at, SparseBytes::kBlock);
    if (block != before.Read(at, SparseBytes::kBlock)) volume->content.Write(at, block);
  }
  return Ok();
}

Error NoMachine(const std::string& machine) {
  return Error{ErrorKind::kNotFound, "", machine, "there is no such VM or domain", ""};
}

}  // namespace

Result<GuestOnDisk> BootVm(const FakeVm& vm) {
  std::vector<const SparseBytes*> disks;
  for (const FakeDisk& disk : vm.disks) disks.push_back(&disk.content);
  return BootGuest(disks);
}

Result<GuestOnDisk> BootDomain(const WorldData& world, const FakeDomain& domain) {
  std::list<SparseBytes> contents;
  std::vector<const SparseBytes*> disks;
  for (const DomainDiskSpec& disk : domain.spec.disks) {
    Result<SparseBytes> content = ReadThroughChain(world, disk.pool, disk.volume);
    if (!content) return content.error();
    const FakeVolume* volume = FindVolume(world, disk.pool, disk.volume);
    if (volume->format != disk.format)
      return Error{ErrorKind::kCorrupt, "", "volume " + disk.volume, "is " + volume->format + ", not " + disk.format,
                   ""};
    contents.push_back(std::move(*content));
    disks.push_back(&contents.back());
  }
  return BootGuest(disks);
}

Answer AskVm(const WorldData& world, const FakeVm& vm, const std::string& path) {
  if (vm.facts.power != "on") return Refused("VM " + vm.facts.name + " is " + vm.facts.power);
  if (!OnNetwork(vm)) return Refused("VM " + vm.facts.name + " has no connected network adapter");
  return Serve(world, BootVm(vm), path, false);
}

Answer AskDomain(const WorldData& world, const FakeDomain& domain, const std::string& path) {
  if (domain.state != "running") return Refused("domain " + domain.spec.domain + " is " + domain.state);
  if (!OnNetwork(domain)) return Refused("domain " + domain.spec.domain + " has no network");
  return Serve(world, BootDomain(world, domain), path, true);
}

Answer AskServer(const WorldData& world, const FakeServer& server, const std::string& path) {
  if (!server.vm.empty()) {
    const FakeVm* vm = FindVmByPath(world, server.vm);
    return vm == nullptr ? Refused("there is no VM " + server.vm) : AskVm(world, *vm, path);
  }
  const FakeDomain* domain = FindDomain(world, server.domain);
  return domain == nullptr ? Refused("there is no domain " + server.domain) : AskDomain(world, *domain, path);
}

bool ServerMachineOn(const WorldData& world, const FakeServer& server) {
  if (!server.vm.empty()) {
    const FakeVm* vm = FindVmByPath(world, server.vm);
    return vm != nullptr && vm->facts.power == "on";
  }
  const FakeDomain* domain = FindDomain(world, server.domain);
  return domain != nullptr && domain->state == "running";
}

Answer AskPool(const WorldData& world, const FakeLbPool& pool, const std::string& path) {
  for (const FakeServer& server : pool.servers) {
    const auto state = pool.instances.empty() ? server.instances.end() : server.instances.find(pool.instances.front());
    const FakeServerState at = state == server.instances.end() ? FakeServerState{} : state->second;
    if (at.state != "ready" || at.weight == 0) continue;
    const Answer answer = AskServer(world, server, path);
    if (answer.status == 200) return answer;
    if (!server.check) return answer.status == 0 ? Answer{503, "no server is available", "", 0} : answer;
  }
  return Answer{503, "no server is available", "", 0};
}

Status PostRecord(WorldData& world, const std::string& machine, const std::string& record) {
  Touch(world);
  if (FakeDomain* domain = FindDomain(world, machine); domain != nullptr && domain->state == "running")
    return PostToDomain(world, *domain, record);
  FakeVm* vm = FindVmByPath(world, machine);
  if (vm == nullptr) return NoMachine(machine);
  const Answer answer = AskVm(world, *vm, "/");
  if (answer.status != 200)
    return Error{ErrorKind::kUnavailable, "", "VM " + vm->facts.path, answer.why + answer.body, ""};
  AppendRecord(vm->disks.front().content, record);
  return Ok();
}

Result<std::vector<std::string>> RecordsOf(WorldData& world, const std::string& machine) {
  if (const FakeDomain* domain = FindDomain(world, machine)) {
    Result<GuestOnDisk> guest = BootDomain(world, *domain);
    if (!guest) return guest.error();
    return guest->records;
  }
  const FakeVm* vm = FindVmByPath(world, machine);
  if (vm == nullptr) return NoMachine(machine);
  Result<GuestOnDisk> guest = BootVm(*vm);
  if (!guest) return guest.error();
  return guest->records;
}

}  // namespace vmferry
