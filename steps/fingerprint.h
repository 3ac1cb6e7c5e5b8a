// SPDX-License-Identifier: Apache-2.0
//
// Fingerprints of rehearsals: what is compared, and the names of a rehearsal's domains. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "steps/step.h"

namespace vmferry {

inline constexpr std::string_view kRehearsalFingerprint = "rehearsal_fingerprint";
inline constexpr std::string_view kRehearsalSuffix = "-rehearsal";

// "web1-rehearsal" for "web1", and back; what does not end so is its own.
std::string RehearsalDomain(std::string_view domain);
std::string RealDomain(std::string_view domain);

// True for a volume that vmferry named for the domain or for its rehearsal (steps/names.h).
bool IsVolumeOf(std::string_view volume, std::string_view real_domain);

// Every place at which two values differ: "source/web1/power: \"on\", now \"off\"". At most 20, then "and N more".
std::vector<std::string> Differences(const Json& before, const Json& after);

}  // namespace vmferry
