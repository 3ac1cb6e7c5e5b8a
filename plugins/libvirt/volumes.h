// SPDX-License-Identifier: Apache-2.0
//
// The volume calls of the role "target platform". Each may be repeated; what a call leaves behind when it is cut off
// in the middle is an unsealed volume, which the next call of the same kind completes or replaces.
#pragma once

#include <memory>
#include <stop_token>
#include <utility>

#include "plugins/libvirt/connection.h"
#include "plugins/stream.h"
#include "plugins/target_platform.h"
#include "plugins/target_volumes.h"

namespace vmferry::libvirt {

Result<VolumeFacts> DescribeVolume(const Session& session, const VolumeQuery& query);
// By a fresh listing; without seals.
Result<VolumeList> ListVolumes(const Session& session, const VolumeListQuery& query);
Result<VolumeReply> EnsureVolume(const Session& session, const EnsureVolumeRequest& request);
Result<Done> EnsureNoVolume(const Session& session, const RemoveVolumeRequest& request);
Result<VolumeReply> ConvertVolume(const Session& session, const ConvertVolumeRequest& request);
// Raw, unsealed volumes only.
Result<std::pair<VolumeReply, std::shared_ptr<VolumeWriter>>> WriteVolume(const Session& session,
                                                                          const WriteVolumeRequest& request,
                                                                          std::stop_token stop);

}  // namespace vmferry::libvirt
