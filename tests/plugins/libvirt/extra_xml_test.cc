// SPDX-License-Identifier: Apache-2.0
#include "plugins/libvirt/extra_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plugins/libvirt/domain_xml.h"

namespace vmferry::libvirt {
namespace {

using ::testing::HasSubstr;

constexpr const char* kDomain =
    "<domain><name>web1</name><cpu mode='maximum'/><features><acpi/></features>"
    "<metadata><ours/></metadata><devices><disk/></devices></domain>";

Result<std::string> Merged(const std::string& extra) {
  pugi::xml_document document;
  document.load_string(kDomain);
  if (Status merged = MergeExtraXml(document.child("domain"), extra); !merged) return merged.error();
  std::string flat;
  for (const char c : Print(document.child("domain")))
    if (c != '\n' && c != '\t') flat += c;
  for (auto at = flat.find("  "); at != std::string::npos; at = flat.find("  ")) flat.erase(at, 2);
  return flat;
}

TEST(LibvirtExtraXml, NothingExtraChangesNothing) {
  EXPECT_EQ(*Merged(""), *Merged("  \n "));
}

TEST(LibvirtExtraXml, DevicesAndMetadataAreAppended) {
  EXPECT_EQ(*Merged("<devices><watchdog model='i6300esb'/></devices><metadata><a:b xmlns:a='urn:a'/></metadata>"),
            R"(<domain><name>web1</name><cpu mode="maximum" /><features><acpi /></features>)"
            R"(<metadata><ours /><a:b xmlns:a="urn:a" /></metadata>)"
            R"(<devices><disk /><watchdog model="i6300esb" /></devices></domain>)");
}

TEST(LibvirtExtraXml, OtherElementsReplaceOursInPlaceOrAreAppended) {
  EXPECT_EQ(*Merged("<cpu mode='host-model'/><features><acpi x='1'/><pae/></features><iothreads>2</iothreads>"),
            R"(<domain><name>web1</name><cpu mode="host-model" /><features><acpi x="1" /><pae /></features>)"
            R"(<metadata><ours /></metadata><devices><disk /></devices><iothreads>2</iothreads></domain>)");
}

TEST(LibvirtExtraXml, QemuArgumentsNeedNoDeclarationOfTheirPrefix) {
  const std::string xml = *Merged("<qemu:commandline><qemu:arg value='-foo'/></qemu:commandline>");
  EXPECT_THAT(xml, HasSubstr(R"(<domain xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">)"));
  EXPECT_THAT(xml, HasSubstr(R"(<qemu:commandline><qemu:arg value="-foo" /></qemu:commandline></domain>)"));
}

TEST(LibvirtExtraXml, AnExtraRootLendsItsNamespaces) {
  const std::string xml = *Merged("<extra xmlns:q='urn:q'><q:x/><devices><rng/></devices></extra>");
  EXPECT_THAT(xml, HasSubstr(R"(<domain xmlns:q="urn:q">)"));
  EXPECT_THAT(xml, HasSubstr("<disk /><rng /></devices><q:x /></domain>"));
}

TEST(LibvirtExtraXml, WhatNamesTheDomainMustNotBeSet) {
  for (const char* extra : {"<name>x</name>", "<uuid>x</uuid>", "<extra><name>x</name></extra>",
                            "<metadata><v:workload xmlns:v='https://vmferry.dev/xmlns/1'/></metadata>", "text only",
                            "<devices><rng></devices>"}) {
    const auto merged = Merged(extra);
    ASSERT_FALSE(merged.ok()) << extra;
    EXPECT_EQ(merged.error().kind, ErrorKind::kInvalid);
    EXPECT_THAT(merged.error().message, HasSubstr("extra domain XML: "));
  }
}

}  // namespace
}  // namespace vmferry::libvirt
