// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/libvirt_plugin.h"

#include <memory>
#include <utility>

#include "plugins/libvirt/boot.h"
#include "plugins/libvirt/bounded.h"
#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/domains.h"
#include "plugins/libvirt/merge.h"
#include "plugins/libvirt/networks.h"
#include "plugins/libvirt/seals.h"
#include "plugins/libvirt/target_facts.h"
#include "plugins/libvirt/volumes.h"
#include "plugins/target_boot.h"
#include "plugins/target_network.h"
#include "plugins/target_platform.h"
#include "plugins/target_volumes.h"

namespace vmferry {
namespace {

using libvirt::Connection;
using libvirt::Session;

constexpr int kDefaultKeepAliveSeconds = 5;

class LibvirtPlugin final : public CallTable {
 public:
  explicit LibvirtPlugin(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {
    Bind(target::kDescribeTarget,
         [](const Session& session, const PlatformQuery&) { return libvirt::DescribeTarget(session); });
    Bind(target::kDescribeDomain, libvirt::DescribeDomain);
    Bind(target::kDescribeVolume, libvirt::DescribeVolume);
    Bind(target::kListVolumes, libvirt::ListVolumes);
    Bind(target::kDescribeNetwork, libvirt::DescribeNetwork);
    Bind(target::kDescribeFilter, libvirt::DescribeFilter);
    Bind(target::kEnsureVolume, libvirt::EnsureVolume);
    Bind(target::kEnsureNoVolume, libvirt::EnsureNoVolume);
    Bind(target::kSealVolume, libvirt::SealVolume);
    Bind(target::kConvertVolume, libvirt::ConvertVolume, true);
    Bind(target::kEnsureDefined, libvirt::EnsureDefined);
    Bind(target::kEnsureUndefined, libvirt::EnsureUndefined);
    Bind(target::kEnsureRunning, libvirt::EnsureRunning);
    Bind(target::kRequestStop, libvirt::RequestStop);
    Bind(target::kEnsureStopped, libvirt::EnsureStopped);
    Bind(target::kMergeOverlays, libvirt::MergeOverlays);
    Bind(target::kReadConsole, libvirt::ReadConsole);
    Bind(target::kPingAgent, libvirt::PingAgent);
    BindWriteVolume();
  }

  std::string system() const override { return connection_->system(); }

 private:
  // Runs `function` on an open connection, bounded by the call's context. Captures own all they use, because a call
  // given up goes on without us.
  template <class Request, class Answer, class Function>
  void Bind(const Call<Request, Answer>& call, Function function, bool is_long = false) {
    Serve<Request, Answer>(call, [connection = connection_, spec = call.spec, function, is_long](
                                     const Request& request, const CallContext& context) {
      return libvirt::WithinTimeout<Answer>(connection->system(), spec, context, is_long,
                                            [connection, spec, function, request]() -> Result<Answer> {
                                              Result<Session> session = connection->Open(spec.access);
                                              if (!session) return session.error();
                                              return function(*session, request);
                                            });
    });
  }

  void BindWriteVolume() {
    using Opened = std::pair<VolumeReply, std::shared_ptr<VolumeWriter>>;
    const CallSpec spec = target::kWriteVolume.spec;
    ServeStream<WriteVolumeRequest, VolumeReply, VolumeWriter>(
        target::kWriteVolume,
        [connection = connection_, spec](const WriteVolumeRequest& request, const CallContext& context) {
          return libvirt::WithinTimeout<Opened>(connection->system(), spec, context, false,
                                                [connection, spec, request, stop = context.stop]() -> Result<Opened> {
                                                  Result<Session> session = connection->Open(spec.access);
                                                  if (!session) return session.error();
                                                  return libvirt::WriteVolume(*session, request, stop);
                                                });
        });
  }

  std::shared_ptr<Connection> connection_;
};

Error BadSetting(const PluginSetup& setup, const std::string& message) {
  return Error{ErrorKind::kInvalid, setup.name, "", message, "correct this entry in the site file"};
}

// "user:password@" in a URI would end up in logs; libvirt has no use for it either.
bool CarriesPassword(const std::string& uri) {
  const auto start = uri.find("://");
  const auto at = uri.find('@');
  if (start == std::string::npos || at == std::string::npos) return false;
  const auto colon = uri.find(':', start + 3);
  const auto slash = uri.find('/', start + 3);
  return colon < at && at < slash;
}

Result<std::shared_ptr<Plugin>> Make(const PluginSetup& setup) {
  const Json uri = setup.settings.value("uri", Json());
  const Json keep_alive = setup.settings.value("keepAliveSeconds", Json(kDefaultKeepAliveSeconds));
  if (!uri.is_string() || uri.get<std::string>().empty()) return BadSetting(setup, "uri must be a libvirt URI");
  if (CarriesPassword(uri.get<std::string>()))
    return BadSetting(setup, "uri must not carry a password; libvirt takes it from its own auth.conf");
  if (!keep_alive.is_number_integer() || keep_alive.get<int>() < 0)
    return BadSetting(setup, "keepAliveSeconds must be a whole number of seconds, 0 for none");
  return std::shared_ptr<Plugin>(std::make_shared<LibvirtPlugin>(
      std::make_shared<Connection>(setup.name, uri.get<std::string>(), keep_alive.get<int>())));
}

}  // namespace

PluginKind LibvirtKind() {
  return PluginKind{
      "libvirt",
      "QEMU/KVM hosts under libvirt, local or remote, as the target of a migration",
      {"target"},
      {{"uri", "text", true, "libvirt URI: qemu:///system, qemu+ssh://user@host/system, qemu+tls://host/system"},
       {"keepAliveSeconds", "integer", false,
        "seconds between two probes of a silent connection (default 5; 0: none)"}},
      Make};
}

}  // namespace vmferry
