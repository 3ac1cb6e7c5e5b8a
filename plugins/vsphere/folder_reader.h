// SPDX-License-Identifier: Apache-2.0
//
// Reading a disk through the datastore's /folder URL: plain bytes of the flat extent over HTTPS, from any offset. The
// descriptor NAME.vmdk (text) names the extent. There is no allocation map, so every byte is sent; runs of zeros are
// found here and handed on as gaps.
//
// Threading: one thread at a time. Repeating: open again at the offset that was reached.
// Failure: kUnavailable (or kTimedOut) saying how many bytes had come when the connection was cut; kInvalid for a disk
// that is no flat file (a snapshot's delta, a raw device); kNotFound; kDenied.
// Source: vSphere Web Services SDK Programming Guide, "Datastore files over HTTP(S)"; Virtual Disk Format 5.0.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "plugins/stream.h"
#include "plugins/vsphere/session.h"

namespace vmferry::vsphere {

// "[datastore1] web1/web1.vmdk" taken apart.
struct DatastorePath {
  std::string datastore;
  std::string path;  // "web1/web1.vmdk"
};
Result<DatastorePath> ParseDatastorePath(const std::string& text);

// "/folder/web1/web1.vmdk?dcPath=Europe%2FDC0&dsName=datastore1"
std::string FolderTarget(const DatastorePath& file, const std::string& datacenter);

// The one flat extent that a descriptor names, with its size.
struct FlatExtent {
  std::string file;  // "web1-flat.vmdk"
  std::uint64_t bytes = 0;
};
Result<FlatExtent> ReadDescriptor(const std::string& descriptor);

struct FolderDisk {
  std::string path;        // DiskFacts::path
  std::string datacenter;  // its inventory path without the first slash
  std::uint64_t capacity = 0;
  std::uint64_t offset = 0;  // start here
};
// `deadline` bounds the opening; its stop token holds for the whole download, `idle` for each wait in it.
Result<std::shared_ptr<DiskReader>> OpenFolderDisk(Session& session, const FolderDisk& disk,
                                                   std::chrono::milliseconds idle, Deadline& deadline);

}  // namespace vmferry::vsphere
