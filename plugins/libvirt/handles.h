// SPDX-License-Identifier: Apache-2.0
//
// Owning handles of libvirt's reference-counted objects. A handle belongs to one thread at a time; the objects behind
// it are thread-safe in libvirt. An empty handle means "libvirt failed": ask the Session for the Error at once, since
// libvirt keeps only the last one of each thread.
#pragma once

#include <libvirt/libvirt.h>

#include <cstdlib>
#include <memory>
#include <string>

namespace vmferry::libvirt {

template <auto Free>
struct FreeBy {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

using DomainHandle = std::unique_ptr<virDomain, FreeBy<virDomainFree>>;
using PoolHandle = std::unique_ptr<virStoragePool, FreeBy<virStoragePoolFree>>;
using VolumeHandle = std::unique_ptr<virStorageVol, FreeBy<virStorageVolFree>>;
using NetworkHandle = std::unique_ptr<virNetwork, FreeBy<virNetworkFree>>;
using InterfaceHandle = std::unique_ptr<virInterface, FreeBy<virInterfaceFree>>;
using StreamHandle = std::unique_ptr<virStream, FreeBy<virStreamFree>>;
// Shared, because a stream and an abandoned call may outlive the Connection that opened it.
using ConnectHandle = std::shared_ptr<virConnect>;

// A string libvirt allocated for us.
class Text {
 public:
  explicit Text(char* text) : text_(text) {}
  explicit operator bool() const { return text_ != nullptr; }
  // Empty when libvirt gave none.
  std::string str() const { return text_ ? std::string(text_.get()) : std::string(); }

 private:
  std::unique_ptr<char, FreeBy<std::free>> text_;
};

}  // namespace vmferry::libvirt
