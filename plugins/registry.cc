// SPDX-License-Identifier: Apache-2.0
#include "plugins/registry.h"

#include <algorithm>

#include "plugins/alertmanager/alertmanager.h"
#include "plugins/backup_command/backup_command.h"
#include "plugins/fake/fake.h"
#include "plugins/haproxy/haproxy.h"
#include "plugins/http/http_probe.h"
#include "plugins/libguestfs/libguestfs.h"
#include "plugins/libvirt/libvirt_plugin.h"
#include "plugins/local/local.h"
#include "plugins/prometheus/prometheus.h"
#include "plugins/restic/restic.h"
#include "plugins/rfc2136/rfc2136.h"
#include "plugins/ssh/ssh.h"
#include "plugins/tcp/tcp_flow.h"
#include "plugins/textfile/textfile.h"
#include "plugins/vsphere/vsphere.h"

namespace vmferry {

const std::vector<PluginKind>& AllPluginKinds() {
  // The one explicit list, by role: source, target, load balancer, dns, probe, command, metrics, alerts, signal,
  // backup, flow, guest, and the in-memory world with all of them.
  static const std::vector<PluginKind> kinds{
      VsphereKind(),  LibvirtKind(), HaproxyKind(),       Rfc2136Kind(), HttpKind(),
      LocalKind(),    SshKind(),     PrometheusKind(), AlertmanagerKind(), TextfileKind(),
      ResticKind(),   BackupCommandKind(), TcpKind(), LibguestfsKind(),   FakeKind()};
  return kinds;
}

const PluginKind* FindPluginKind(std::string_view name) {
  const std::vector<PluginKind>& kinds = AllPluginKinds();
  const auto found =
      std::find_if(kinds.begin(), kinds.end(), [&](const PluginKind& kind) { return kind.name == name; });
  return found == kinds.end() ? nullptr : &*found;
}

}  // namespace vmferry
