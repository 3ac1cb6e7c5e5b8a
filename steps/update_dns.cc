// SPDX-License-Identifier: Apache-2.0
//
// update_dns: clients that find the application by its name are led to the target. From then on the target may have
// data that the source lacks, as after update_load_balancer. Done once all name servers agree; caches follow within the
// records' TTL (dns_ttl_lowered makes it short).
#include <algorithm>
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
constexpr milliseconds kLongestWaitBack{60000};  // for servers that do not follow, with the source off meanwhile

StepSpec MakeSpec() {
  StepSpec spec;
  spec.name = kUpdateDns;
  spec.purpose = "Points the application's DNS records at the target.";
  spec.effect = true;
  spec.moves_traffic = true;
  spec.deadline = std::chrono::minutes(5);
  spec.parameters = {
      Service("dns", "dns", true, "the service that has the zone"),
      Required("records", ParameterType::kTextList, "records by which clients find it: NAME (type A) or NAME/TYPE"),
      Required("targetAddresses", ParameterType::kTextList,
               "addresses of the target: IPv4 for type A, IPv6 for AAAA, names for others"),
      Optional("ttl", ParameterType::kDuration, "", "TTL of the records, in whole seconds; absent: as it is"),
  };
  spec.reads = "the records at all name servers of the service";
  spec.changes =
      "values of the records, and with `ttl` their TTL; without it, a TTL that dns_ttl_lowered made low stays so, "
      "after a commit too";
  spec.undo =
      "gives the records their old values and TTLs back at the primary, then waits for the other name servers: not for "
      "one that cannot be asked, and 1 min at most (a shorter `deadline` ends it as failed). Values that somebody else "
      "set since stay, unless some of the target's are among them: that is a conflict. What was left, and who was not "
      "waited for, its facts say";
  spec.loses = kLosesNothing;
  spec.example =
      "cutoverSteps:\n  - update_dns:\n      dns: corporate-dns\n      records: [shop.example.com]\n"
      "      targetAddresses: [10.0.0.5]\n";
  return spec;
}

// A: with dots only; AAAA: with colons; others: the rest. What is no address at all, the plugin says.
std::vector<std::string> ValuesFor(const StepContext& context, const std::string& type) {
  std::vector<std::string> values;
  for (const Json& item : Member(context.parameters, "targetAddresses")) {
    const std::string text = item.get<std::string>();
    const bool six = text.find(':') != std::string::npos;
    const bool four = !six && text.find_first_not_of("0123456789.") == std::string::npos;
    if (type == "A" ? four : type == "AAAA" ? six : !four && !six) values.push_back(text);
  }
  return values;
}

// A record set: as it is, and as it shall be.
struct Change {
  RecordName record;
  RecordFacts facts;
  RecordSet wanted;
  bool reached() const { return facts.records == wanted; }
};

Result<Change> ReadOne(const StepContext& context, const RecordName& record) {
  const std::vector<std::string> values = ValuesFor(context, record.type);
  if (values.empty())
    return RecordError(context, record, ErrorKind::kInvalid, "none of the targetAddresses fits type " + record.type,
                       "add one, or take the record off the list");
  auto facts = ReadRecords(context, record, values);
  if (!facts) return facts.error();
  const Status own = RequireNoAlias(context, record, *facts);
  if (!own) return own.error();
  const std::int64_t ttl = DurationOf(context.parameters, "ttl", milliseconds(-1000)).count() / 1000;
  if (ttl < 0 && facts->records.values.empty())
    return RecordError(context, record, ErrorKind::kNotFound, WhyNone(*facts),
                       "correct `records`, or give a `ttl` with which to create them");
  RecordSet wanted{facts->wanted, ttl < 0 ? facts->records.ttl : ttl};
  return Change{record, std::move(*facts), std::move(wanted)};
}

Result<std::vector<Change>> ReadAll(const StepContext& context) {
  const Status sensible = RequireNoContradiction(kUpdateDns, context.parameters);
  if (!sensible) return sensible.error();
  std::vector<Change> changes;
  for (const RecordName& record : RecordsOf(context)) {
    auto change = ReadOne(context, record);
    if (!change) return change.error();
    changes.push_back(std::move(*change));
  }
  return changes;
}

std::string Differences(const std::vector<Change>& changes) {
  std::vector<std::string> texts;
  for (const Change& change : changes)
    for (const std::string& difference : Disagreements(change.facts))
      texts.push_back(change.record.Text() + ": " + difference);
  return texts.empty() ? "" : ListInWords(texts);
}

Json ImagesOfNow(const std::vector<Change>& changes) {
  Json images = Json::array();
  for (const Change& change : changes) images.push_back(ImageOf(change.record, change.facts.records));
  return {{"records", images}};
}

// What it was before the step, by the before-image; what it is now if that has none.
RecordSet BeforeOf(const StepContext& context, const Change& change) {
  for (const RecordImage& image : ImagesOf(context.before))
    if (image.record.Text() == change.record.Text()) return image.set;
  return change.facts.records;
}

std::vector<std::string> Without(std::vector<std::string> values, const std::vector<std::string>& unwanted) {
  std::erase_if(values, [&](const std::string& value) {
    return std::find(unwanted.begin(), unwanted.end(), value) != unwanted.end();
  });
  return values;
}

class UpdateDnsStep final : public Step {
 public:
  const StepSpec& spec() const override {
    static const StepSpec spec = MakeSpec();
    return spec;
  }

  Result<Observation> Observe(const StepContext& context) const override {
    const auto changes = ReadAll(context);
    if (!changes) return changes.error();
    Observation observation;
    observation.before = ImagesOfNow(*changes);
    observation.evidence = observation.before;
    const auto reached = std::count_if(changes->begin(), changes->end(), [](const Change& c) { return c.reached(); });
    if (reached == static_cast<std::ptrdiff_t>(changes->size()) && Differences(*changes).empty())
      observation.verdict = Verdict::kDone;
    else if (reached > 0)
      observation.verdict = Verdict::kPartial;
    return observation;
  }

  Result<Progress> Apply(const StepContext& context) const override {
    const auto changes = ReadAll(context);
    if (!changes) return changes.error();
    bool changed = false;
    for (const Change& change : *changes) {
      if (change.reached()) continue;
      const Status set = SetRecords(context, change.record, BeforeOf(context, change), change.wanted);
      if (!set) return set.error();
      changed = true;
    }
    if (changed) return Progress::NotYet(kAfterChange, "the records were changed");
    const std::string differences = Differences(*changes);
    if (!differences.empty())
      return Progress::NotYet(kFollowPoll, "waiting until all name servers have the change: " + differences);
    return Progress::Done(ImagesOfNow(*changes));
  }

  // The primary first, whatever the others do: the source must not stay off because of a name server that is down.
  Result<Progress> Undo(const StepContext& context) const override {
    std::vector<Error> problems;
    std::vector<RecordImage> back;
    Json left = Json::array();
    bool changed = false;
    for (const RecordImage& image : ImagesOf(context.before)) {
      const auto restored = Restore(context, image);
      if (!restored && SafeToRetry(restored.error())) return restored.error();
      if (!restored) {
        problems.push_back(restored.error());
        continue;
      }
      changed |= restored->changed;
      if (restored->left.empty())
        back.push_back(image);
      else
        left.push_back(restored->left);
    }
    if (!problems.empty()) return Combined(problems);
    if (changed) return Progress::NotYet(kAfterChange, "the records are as before at the primary");
    return Followed(context, back, left);
  }

  Result<Forecast> Predict(const StepContext& context) const override {
    Forecast forecast;
    std::vector<std::string> will, undo;
    const Status sensible = RequireNoContradiction(kUpdateDns, context.parameters);
    if (!sensible) forecast.problems.push_back(sensible.error());
    for (const RecordName& record : RecordsOf(context)) {
      const auto change = ReadOne(context, record);
      const Status agreed = change ? RequireAgreement(context, record, change->facts) : Status(change.error());
      if (!agreed) forecast.problems.push_back(agreed.error());
      if (!change) continue;
      const std::string now = InWords(change->facts.records);
      const std::string& wildcard = change->facts.wildcard;
      will.push_back(record.Text() + " to " + InWords(change->wanted) + ", now " + now +
                     (wildcard.empty() ? "" : " of its own, a wildcard answers " + wildcard));
      undo.push_back(record.Text() + " to " + now);
    }
    forecast.will = "set " + (will.empty() ? "the records" : ListInWords(will)) + "; done once all name servers agree";
    forecast.undo = "set " + (undo.empty() ? "the records back" : ListInWords(undo));
    return forecast;
  }

  // Records that lead to the target already are found, and need no way back.
  Result<UndoProof> ProveUndo(const StepContext& context) const override {
    UndoProof proof;
    for (const RecordName& record : RecordsOf(context)) {
      const auto change = ReadOne(context, record);
      if (!change) Note(proof, change.error());
      if (change && !change->reached()) ProveRecords(context, record, true, proof);
    }
    if (proof.proves.empty() && proof.problems.empty()) return UndoProof{"nothing to undo", {}, {}, ""};
    proof.takes = kLongestWaitBack;
    proof.estimate = DurationInWords(proof.takes) + " for the name servers to follow, then caches by their TTL";
    return proof;
  }

 private:
  struct Restored {
    bool changed = false;
    std::string left;  // what somebody else decided, in words
  };

  // Back to `image` at the primary. Without any of this run's values there is nothing of its own to take back.
  static Result<Restored> Restore(const StepContext& context, const RecordImage& image) {
    const auto facts = ReadPrimary(context, image.record, ValuesFor(context, image.record.type));
    if (!facts) return facts.error();
    const RecordSet& now = facts->records;
    if (now == image.set) return Restored{};
    // Its TTL may be another's by now; the values decide whom it leads to.
    if (now.values == facts->wanted || now.values == image.set.values) {
      const Status set = SetRecords(context, image.record, now, image.set);
      if (!set) return set.error();
      return Restored{true, ""};
    }
    const std::vector<std::string> ours = Without(facts->wanted, image.set.values);
    if (Without(ours, now.values).size() == ours.size())
      return Restored{false, image.record.Text() + " has " + InWords(now) +
                                 ", which somebody else set; before this run it had " + InWords(image.set)};
    return RecordError(context, image.record, ErrorKind::kConflict,
                       "somebody else changed it, and it still leads to the target: it has " + InWords(now) +
                           ", this run had set " + ListInWords(facts->wanted) + ", and before it had " +
                           InWords(image.set),
                       "by hand, set what it had before, or any values without " + ListInWords(ours) +
                           "; then repeat the rollback, which leaves other people's values as they are");
  }

  // Waits for the other servers, but neither for those that cannot be asked nor for ever: what they still tell then is
  // a fact of the undo.
  static Result<Progress> Followed(const StepContext& context, const std::vector<RecordImage>& back,
                                   const Json& left) {
    std::vector<std::string> behind, silent;
    Json records = Json::array();
    for (const RecordImage& image : back) records.push_back(ImageOf(image.record, image.set));
    for (const RecordImage& image : back) {
      const auto facts = ReadRecords(context, image.record);
      if (!facts && silent.empty()) return facts.error();
      if (!facts) break;  // those that are silent took all the time there was
      for (const std::string& text : facts->differences) behind.push_back(image.record.Text() + ": " + text);
      for (const std::string& text : facts->silent) silent.push_back(image.record.Text() + ": " + text);
    }
    if (!behind.empty() && context.elapsed < kLongestWaitBack)
      return Progress::NotYet(kFollowPoll, "waiting until all name servers have the old records: " +
                                               ListInWords(behind));
    Json facts = {{"records", records}};
    if (!left.empty()) facts["left"] = left;
    if (!behind.empty()) facts["notFollowed"] = behind;
    if (!silent.empty()) facts["notAsked"] = silent;
    return Progress::Done(facts);
  }
};

}  // namespace

const Step& UpdateDns() {
  static const UpdateDnsStep step;
  return step;
}

}  // namespace vmferry
