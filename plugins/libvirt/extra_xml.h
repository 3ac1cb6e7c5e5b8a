// SPDX-License-Identifier: Apache-2.0
//
// The site's extra domain XML, merged into the domain we build: an XML tree into an XML tree, never text into text.
//
// The fragment is a list of elements as they stand below <domain>, optionally inside one <extra> root (whose xmlns
// declarations are then kept). Rules: children of <devices> and <metadata> are appended to ours; children of
// <features> replace ours of the same name or are appended; `PREFIX:` elements (qemu:commandline) are appended; any
// other element replaces ours of the same name or is appended. <name>, <uuid> and our own metadata are refused: they
// are how vmferry finds its domain again.
#pragma once

#include <pugixml.hpp>
#include <string>

#include "state/result.h"

namespace vmferry::libvirt {

// REQUIRES: `domain` is a <domain> element. Empty `extra` is ok. kInvalid for XML that does not parse or is refused.
Status MergeExtraXml(pugi::xml_node domain, const std::string& extra);

}  // namespace vmferry::libvirt
