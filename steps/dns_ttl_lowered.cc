// SPDX-License-Identifier: Apache-2.0
//
// dns_ttl_lowered: caches forget the application's addresses soon after they change. A TTL that is too long is lowered,
// and then the old one is waited out: so long may a cache still keep what it was told before. The wait counts from the
// moment all name servers tell the new TTL, and lasts as long as the longest that any of them told; a resume waits it
// out anew, since nobody may have looked meanwhile.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "steps/catalogue.h"
#include "steps/check.h"
#include "steps/parameters.h"
#include "steps/records.h"
#include "steps/undo_proof.h"
#include "steps/words.h"

namespace vmferry {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kAfterChange{200};
constexpr milliseconds kFollowPoll{1000};
constexpr milliseconds kLongestPoll{30000};

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kDnsTtlLowered;
  spec.purpose = "Lowers the TTL of the application's DNS records and waits until caches have forgotten the old one.";
  spec.effect = true;
  spec.undo_continues = true;  // a TTL that stays low harms nobody
  spec.deadline = std::chrono::hours(25);
  spec.parameters = {
      Service("dns", "dns", true, "the service that has the zone"),
      Required("records", ParameterType::kTextList, "records by which clients find it: NAME (type A) or NAME/TYPE"),
      Required("maxTtl", ParameterType::kDuration, "the longest TTL that is low enough, in whole seconds"),
      Choice("mode", {"lower", "check"}, "lower", "lower: lowers what is longer; check: changes nothing, and fails"),
  };
  spec.reads = "the records at all name servers of the service";
  spec.changes =
      "TTL of those records whose TTL is longer than `maxTtl` (mode lower); their values stay. A commit leaves the TTL "
      "low: raise it by hand when nobody will go back; the step's before-image in the journal has the old one";
  spec.undo =
      "gives the records their old TTLs back; those that somebody else changed since stay as they are, and its facts "
      "name them";
  spec.loses = kLosesNothing;
  spec.example =
      "preChecks:\n  - dns_ttl_lowered:\n      dns: corporate-dns\n      records: [shop.example.com, "
      "shop.example.com/AAAA]\n      maxTtl: 60s\n      deadline: 2h # longer than the old TTL\n";
  return spec;
}

std::int64_t LimitOf(const StepContext& context) {
  return DurationOf(context.parameters, "maxTtl", milliseconds(0)).count() / 1000;
}

bool OnlyChecks(const StepContext& context) {
  return TextOf(context.parameters, "mode") == "check";
}

std::string Seconds(std::int64_t seconds) {
  return DurationInWords(std::chrono::seconds(seconds));
}

Status RequireRecords(const StepContext& context, const RecordName& record, const RecordFacts& facts) {
  const Status own = RequireNoAlias(context, record, facts);
  if (!own || !facts.records.values.empty()) return own;
  return RecordError(context, record, ErrorKind::kNotFound, WhyNone(facts),
                     facts.wildcard.empty() ? "correct `records` in the runbook or the site file"
                                            : "give the name records of its own, with the same values");
}

Error TooLong(const StepContext& context, const RecordName& record, const RecordSet& set) {
  return RecordError(context, record, ErrorKind::kConflict,
                     "its TTL is " + Seconds(set.ttl) + ", the limit is " + Seconds(LimitOf(context)),
                     "lower it, and wait out the old one before the cutover; `mode: lower` does both");
}

// The longest TTL a cache may still have, from whichever server; 0 if all were low. `handle` has what came up later.
std::int64_t LongestBefore(const StepContext& context, const Json& handle) {
  std::int64_t longest = IntegerOf(handle, "longestTtl", 0);
  for (const RecordImage& image : ImagesOf(context.before)) longest = std::max(longest, image.longest_ttl);
  return longest > LimitOf(context) ? longest : 0;
}

// A server that could not be asked at first, or was behind, may tell a longer one.
void NoteLongest(const StepContext& context, const std::vector<RecordFacts>& all, Json& handle) {
  std::int64_t longest = 0;
  for (const RecordFacts& facts : all) longest = std::max(longest, facts.longest_ttl);
  if (longest > std::max(LimitOf(context), LongestBefore(context, handle))) handle["longestTtl"] = longest;
}

// What is left of the wait; nullopt if it has not begun.
std::optional<milliseconds> LeftToWait(const StepContext& context, Json& handle) {
  if (!Member(handle, "lowSinceMs").is_number()) return std::nullopt;
  const milliseconds whole = std::chrono::seconds(LongestBefore(context, handle));
  return std::max(milliseconds(0), whole - WaitedSince(context, handle["lowSinceMs"]));
}

// The records as they are, each of them there.
Result<std::vector<RecordFacts>> ReadAll(const StepContext& context) {
  std::vector<RecordFacts> all;
  for (const RecordName& record : RecordsOf(context)) {
    auto facts = ReadRecords(context, record);
    if (!facts) return facts.error();
    const Status there = RequireRecords(context, record, *facts);
    if (!there) return there.error();
    all.push_back(std::move(*facts));
  }
  return all;
}

// What the name servers say that keeps the wait from beginning; empty: all tell a low TTL.
std::string WhyNotLow(const StepContext& context, const std::vector<RecordFacts>& all) {
  std::vector<std::string> why;
  for (const RecordFacts& facts : all) {
    if (facts.records.ttl > LimitOf(context))
      why.push_back(facts.name + " " + facts.type + ": TTL " + Seconds(facts.records.ttl));
    for (const std::string& difference : Disagreements(facts))
      why.push_back(facts.name + " " + facts.type + ": " + difference);
  }
  return why.empty() ? "" : ListInWords(why);
}

// As WithHandle, but an empty handle is none.
Progress Noted(const StepContext& context, Progress progress, const Json& handle) {
  if (handle.empty() && context.handle.is_null()) return progress;
  return WithHandle(context, std::move(progress), handle);
}

class DnsTtlLoweredStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const Status sensible = RequireNoContradiction(kDnsTtlLowered, context.parameters);
    if (!sensible) return sensible.error();
    const auto all = ReadAll(context);
    if (!all) return all.error();
    Observation observation;
    Json images = Json::array();
    std::vector<Error> too_long;
    const std::vector<RecordName> records = RecordsOf(context);
    for (std::size_t i = 0; i < all->size(); ++i) {
      const RecordSet& set = (*all)[i].records;
      images.push_back(ImageOf(records[i], set));
      images.back()["longestTtl"] = (*all)[i].longest_ttl;
      if (set.ttl > LimitOf(context)) too_long.push_back(TooLong(context, records[i], set));
    }
    const bool first = context.before.is_null();
    if (first && OnlyChecks(context) && !too_long.empty()) return Combined(too_long);  // nothing was touched
    observation.before = {{"records", images}};
    observation.evidence = observation.before;
    if (!WhyNotLow(context, *all).empty()) return observation;
    Json handle = context.handle;
    const auto left = LeftToWait(context, handle);
    // Low by our own hand, the old TTL may still be in caches.
    const bool waited = left ? *left == milliseconds(0) : LongestBefore(context, handle) == 0;
    observation.verdict = first || waited ? Verdict::kDone : Verdict::kPartial;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    Json handle = context.handle.is_object() ? context.handle : Json::object();
    const Status sensible = RequireNoContradiction(kDnsTtlLowered, context.parameters);
    if (!sensible) return sensible.error();
    const Result<bool> lowered = Lower(context);
    if (!lowered) return lowered.error();
    if (*lowered) {
      handle.erase("lowSinceMs");
      return Noted(context, Progress::NotYet(kAfterChange, "the TTL was lowered"), handle);
    }
    const auto all = ReadAll(context);
    if (!all) return all.error();
    NoteLongest(context, *all, handle);
    const std::string why = WhyNotLow(context, *all);
    if (!why.empty()) {
      handle.erase("lowSinceMs");
      Progress progress = Progress::NotYet(kFollowPoll, "waiting until all name servers tell the low TTL: " + why);
      return Noted(context, std::move(progress), handle);
    }
    if (!handle.contains("lowSinceMs")) handle["lowSinceMs"] = context.elapsed.count();
    const milliseconds left = LeftToWait(context, handle).value_or(milliseconds(0));
    if (left > milliseconds(0)) return WithHandle(context, Waiting(context, left, handle), handle);
    return Progress::Done(Facts(context, *all, handle));
  }

  Result<Progress> Undo(const StepContext& context) const override {
    std::vector<Error> problems;
    Json records = Json::array(), left = Json::array();
    for (const RecordImage& image : ImagesOf(context.before)) {
      const auto found = Restore(context, image);
      if (!found && SafeToRetry(found.error())) return found.error();
      if (!found)
        problems.push_back(found.error());
      else if (found->empty())
        records.push_back(ImageOf(image.record, image.set));
      else
        left.push_back(*found);
    }
    if (!problems.empty()) return Combined(problems);
    Json facts = {{"records", records}};
    if (!left.empty()) facts["left"] = left;
    return Progress::Done(facts);
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    std::vector<std::string> lowered, restored;
    std::int64_t longest = 0;
    const Status sensible = RequireNoContradiction(kDnsTtlLowered, context.parameters);
    if (!sensible) forecast.problems.push_back(sensible.error());
    for (const RecordName& record : RecordsOf(context)) {
      const auto facts = ReadRecords(context, record);
      const Status there = facts ? RequireRecords(context, record, *facts) : Status(facts.error());
      const Status agreed = facts ? RequireAgreement(context, record, *facts) : Ok();
      if (!there) forecast.problems.push_back(there.error());
      if (!agreed) forecast.problems.push_back(agreed.error());
      if (!there || facts->records.ttl <= LimitOf(context)) continue;
      if (OnlyChecks(context)) forecast.problems.push_back(TooLong(context, record, facts->records));
      lowered.push_back(record.Text() + " from " + Seconds(facts->records.ttl));
      restored.push_back(record.Text() + " " + Seconds(facts->records.ttl));
      longest = std::max(longest, facts->longest_ttl);
    }
    const std::string limit = Seconds(LimitOf(context));
    if (OnlyChecks(context) || lowered.empty()) {
      forecast.will = "check that no TTL of the records is longer than " + limit;
      forecast.undo = "nothing to undo";
    } else {
      forecast.will = "lower the TTL to " + limit + " (" + ListInWords(lowered) + "), then wait " + Seconds(longest) +
                      " until caches have forgotten the old one; it stays low after a commit";
      forecast.undo = "old TTLs again: " + ListInWords(restored);
    }
    return forecast;
  }

  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    UndoProof proof;
    if (!OnlyChecks(context))
      for (const RecordName& record : RecordsOf(context)) {
        const Result<bool> changes = Changes(context, record);
        if (!changes) Note(proof, changes.error());
        if (changes && *changes) ProveRecords(context, record, false, proof);
      }
    if (proof.proves.empty() && proof.problems.empty()) proof.proves = "nothing to undo";
    return proof;
  }

 private:
  // Whether the record is lowered, or was by this run. A TTL that was found low needs no way back.
  static Result<bool> Changes(const StepContext& context, const RecordName& record) {
    const Json facts = context.earlier(kDnsTtlLowered, "");
    if (!facts.is_null()) return IntegerOf(facts, "waitedSeconds", 0) > 0;
    const auto now = ReadPrimary(context, record);
    if (!now) return now.error();
    if (const Status there = RequireRecords(context, record, *now); !there) return there.error();
    return now->records.ttl > LimitOf(context);
  }

  // True if something was changed.
  static Result<bool> Lower(const StepContext& context) {
    bool changed = false;
    for (const RecordImage& image : ImagesOf(context.before)) {
      const auto facts = ReadPrimary(context, image.record);
      if (!facts) return facts.error();
      if (facts->records.ttl <= LimitOf(context)) continue;
      if (OnlyChecks(context)) return TooLong(context, image.record, facts->records);
      const Status set = SetRecords(context, image.record, image.set, {image.set.values, LimitOf(context)});
      if (!set) return set.error();
      changed = true;
    }
    return changed;
  }

  static Progress Waiting(const StepContext& context, milliseconds left, const Json& handle) {
    const auto whole = std::chrono::milliseconds(std::chrono::seconds(LongestBefore(context, handle)));
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(left);
    Progress progress = Progress::NotYet(
        std::min(left, kLongestPoll),
        "waiting until caches have forgotten the old TTL: " + DurationInWords(seconds) + " left");
    progress.meter.done = static_cast<std::uint64_t>((whole - left).count() / 1000);
    progress.meter.total = static_cast<std::uint64_t>(whole.count() / 1000);
    progress.meter.unit = "seconds";
    return progress;
  }

  static Json Facts(const StepContext& context, const std::vector<RecordFacts>& all, const Json& handle) {
    Json records = Json::array();
    for (const RecordFacts& facts : all) records.push_back(ImageOf({facts.name, facts.type}, facts.records));
    return {{"records", records}, {"waitedSeconds", LongestBefore(context, handle)}};
  }

  // Values or TTL that are neither the old nor ours are somebody else's, and stay: in words; empty: as before.
  static Result<std::string> Restore(const StepContext& context, const RecordImage& image) {
    if (image.set.ttl <= LimitOf(context)) return std::string();  // never lowered
    const auto facts = ReadPrimary(context, image.record);
    if (!facts) return facts.error();
    const RecordSet& now = facts->records;
    if (now == image.set) return std::string();
    const RecordSet ours{image.set.values, LimitOf(context)};
    if (now != ours)
      return image.record.Text() + " has " + InWords(now) + ", which somebody else set; this run left " +
             InWords(ours) + ", and before it had " + InWords(image.set);
    const Status set = SetRecords(context, image.record, ours, image.set);
    if (!set) return set.error();
    return std::string();
  }
};

}  // namespace

const Step& DnsTtlLowered() {
  static const DnsTtlLoweredStep step;
  return step;
}

}  // namespace vmferry
