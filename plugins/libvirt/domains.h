// SPDX-License-Identifier: Apache-2.0
//
// The domain calls of the role "target platform". Each names a goal and may be repeated. A domain that does not carry
// the request's key in its metadata is somebody else's: kConflict, whatever its name.
#pragma once

#include <pugixml.hpp>
#include <string>

#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/domain_xml.h"
#include "plugins/target_platform.h"

namespace vmferry::libvirt {

std::string DomainObject(const std::string& domain);

// The domain of that name; an empty handle if there is none.
Result<DomainHandle> FindDomain(const Session& session, const std::string& domain);
// The domain's XML as it runs, or with `persistent` as it will start next time.
Result<pugi::xml_document> DomainXml(const Session& session, virDomainPtr domain, bool persistent);
// The domain, checked to carry the key; an empty handle if there is none.
Result<DomainHandle> FindOwnDomain(const Session& session, const DomainRequest& request);
// "running", "paused", "stopping", "off", "crashed", "suspended"
Result<std::string> DomainState(const Session& session, virDomainPtr domain);

Result<DomainFacts> DescribeDomain(const Session& session, const DomainQuery& query);
Result<DefineReply> EnsureDefined(const Session& session, const DefineRequest& request);
// A running domain is refused: stop it first.
Result<Done> EnsureUndefined(const Session& session, const DomainRequest& request);
// A paused domain is resumed; one that is stopping answers done = false.
Result<DomainReply> EnsureRunning(const Session& session, const DomainRequest& request);
Result<DomainReply> RequestStop(const Session& session, const DomainRequest& request);
Result<DomainReply> EnsureStopped(const Session& session, const DomainRequest& request);

}  // namespace vmferry::libvirt
