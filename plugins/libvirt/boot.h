// SPDX-License-Identifier: Apache-2.0
//
// The calls of plugins/target_boot.h, and the record of the serial console.
//
// The record is libvirt's <log file='...' append='off'/> of a serial port that stays a pty, in a file of a storage
// pool, read as a volume by virStorageVolDownload. Why not otherwise: virDomainOpenConsole takes the terminal away from
// whoever sits at it, and shows nothing of what was written before; <serial type='file'> leaves no terminal at all; a
// path is readable on this machine only. A volume is read wherever the URI leads, session or system, by the
// permissions that vmferry has anyway.
// virtlogd (the standard of qemu:///system) writes the file as root and keeps 2 MiB of it, older output in NAME.0 and
// so on; with `stdio_handler = "file"` QEMU writes it itself, must be allowed to, and nothing limits it.
#pragma once

#include "plugins/libvirt/connection.h"
#include "plugins/libvirt/domain_xml.h"
#include "plugins/target_boot.h"

namespace vmferry::libvirt {

// Where a definition's console is to be recorded; without a path if no pool is asked for, or it is not one of files.
Result<ConsoleRecord> PlaceConsole(const Session& session, const DefineRequest& request);
// Removes the record and what virtlogd made of it; not there: ok.
Status RemoveConsole(const Session& session, const ConsoleRecord& record);

Result<ConsoleReply> ReadConsole(const Session& session, const DomainRequest& request);
Result<AgentReply> PingAgent(const Session& session, const DomainRequest& request);

}  // namespace vmferry::libvirt
