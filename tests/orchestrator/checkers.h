// SPDX-License-Identifier: Apache-2.0
//
// What must be true of every history, told by the fake world and by the journal and knowing nothing of the engine.
// Pure functions; each adds what is violated to `faults`, in words.
#pragma once

#include <string>
#include <vector>

#include "plugins/fake/world_data.h"
#include "state/run_state.h"

namespace vmferry {

using Faults = std::vector<std::string>;

// "source-off /DC0/vm/web1".
std::string Words(const Fact& fact);

// No source of an application of `machines` machines runs on the network together with one of its targets.
void NeverTwo(const std::vector<Fact>& history, std::size_t machines, Faults& faults);
// A server becomes ready only while its machine runs.
void TrafficRule(const std::vector<Fact>& history, Faults& faults);
void FinishedCopiesAreKept(const std::vector<Fact>& history, Faults& faults);
// A step's key stands for one backup, however often the step was asked.
void NoBackupTwice(const std::vector<Fact>& history, Faults& faults);
// What was raised was cleared, each by its metric and labels.
void SignalsAreCleared(const std::vector<Fact>& history, Faults& faults);
// What one run does at most once, forward or back.
void NothingTwice(const std::vector<Fact>& history, Faults& faults);
// The above, for one application that rests.
void CheckHistory(const std::vector<Fact>& history, std::size_t machines, Faults& faults);

// Whether a step of this name may have this effect. Only for effects that belong to certain steps; else true.
bool MayCause(const std::string& step, const std::string& effect);
// Nothing happens in the world but between the intent (or undo's intent) of some effect and its outcome `done`, by the
// clock that both wrote down, and only what that step may do. An attempt that failed leaves it open: what it began may
// still end by itself.
void IntentFirst(const std::vector<Fact>& history, const std::vector<Event>& events, Faults& faults);
// What was true before we came is not ours to undo.
void NothingFoundIsUndone(const std::vector<Event>& events, Faults& faults);
// Every VM there was at the beginning is still there, with the same disks and the same bytes on them.
void SourceIsKept(const WorldData& before, const WorldData& now, Faults& faults);
// The name servers say what they said at the beginning: values and TTLs.
void NamesAreAsBefore(const WorldData& before, const WorldData& now, Faults& faults);

// Where the machines of an application run, their fences, and the servers of its load balancer.
std::string Picture(const WorldData& world);
// What Picture says of an application that rests in `phase`.
std::string PictureAt(Phase phase, std::size_t machines = 1);

}  // namespace vmferry
