// SPDX-License-Identifier: Apache-2.0
#include "orchestrator/sample_file.h"

#include <csv.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "plugins/rfc3339.h"
#include "steps/criterion.h"
#include "steps/measure.h"

namespace vmferry {
namespace {

using Row = std::vector<std::string>;

struct Rows {
  std::vector<Row> rows;
  Row open;
};

void OnField(void* text, std::size_t bytes, void* to) {
  static_cast<Rows*>(to)->open.emplace_back(static_cast<const char*>(text), bytes);
}

void OnRow(int, void* to) {
  auto& rows = *static_cast<Rows*>(to);
  rows.rows.push_back(std::exchange(rows.open, {}));
}

Error Wrong(const std::string& path, std::size_t row, std::string what, std::string advice = "") {
  return Error{ErrorKind::kInvalid, "", path + ", row " + std::to_string(row), std::move(what), std::move(advice)};
}

// libcsv reads rows; a quote in the middle of a field is an error (CSV_STRICT), as in RFC 4180.
Result<std::vector<Row>> Split(const std::string& path, const std::string& text) {
  Rows rows;
  csv_parser parser{};
  if (csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
    return Error{ErrorKind::kInternal, "", path, "cannot read CSV", ""};
  const std::size_t read = csv_parse(&parser, text.data(), text.size(), OnField, OnRow, &rows);
  const bool whole = read == text.size() && csv_fini(&parser, OnField, OnRow, &rows) == 0;
  const std::string why = csv_strerror(csv_error(&parser));
  csv_free(&parser);
  if (!whole) return Wrong(path, rows.rows.size() + 1, "no CSV: " + why, "see RFC 4180 for quotes in fields");
  return std::move(rows.rows);
}

std::optional<std::int64_t> TimeOf(const std::string& text) {
  if (const auto time = ParseRfc3339(text)) return time;
  const std::optional<double> seconds = NumberOf(text);
  if (!seconds || !std::isfinite(*seconds) || std::abs(*seconds) > 1e11) return std::nullopt;
  return static_cast<std::int64_t>(*seconds * 1000);
}

class SampleReader {
 public:
  SampleReader(const Plan& plan, const std::string& path, const Row& header) : plan_(plan), path_(path) {
    for (std::size_t i = 0; i < header.size(); ++i) columns_.emplace(header[i], i);
  }

  Status CheckHeader() const {
    const auto has = [this](const char* name) { return columns_.contains(name); };
    if (!has("time")) return Wrong(path_, 1, "no column `time`", Columns());
    if (!has("verdict") && !has("value")) return Wrong(path_, 1, "no column `verdict` and no column `value`", Columns());
    if (!has("criterion") && plan_.criteria.size() != 1)
      return Wrong(path_, 1, "no column `criterion`, and the runbook has several", Columns());
    return Ok();
  }

  Result<PastSample> Read(const Row& row, std::size_t number) const {
    PastSample sample;
    const auto time = TimeOf(Field(row, "time"));
    if (!time) return Wrong(path_, number, "`" + Field(row, "time") + "` is no time", "RFC 3339, or seconds since 1970");
    sample.at_ms = *time;
    const std::string name = Field(row, "criterion");
    const auto found = std::find_if(plan_.criteria.begin(), plan_.criteria.end(),
                                    [&name](const PlannedStep& step) { return name.empty() || step.name == name; });
    if (found == plan_.criteria.end()) return Wrong(path_, number, "the runbook has no criterion `" + name + "`");
    sample.criterion = static_cast<std::size_t>(found - plan_.criteria.begin());
    sample.why = Field(row, "why");
    const std::string verdict = Field(row, "verdict");
    if (verdict.empty()) return Judged(row, number, std::move(sample));
    const auto known = SampleVerdictFromName(verdict);
    if (!known)
      return Wrong(path_, number, "`" + verdict + "` is no verdict", "pass, fail, inconclusive, no data or error");
    sample.verdict = *known;
    return sample;
  }

 private:
  static std::string Columns() { return "the first row names the columns: time, criterion, verdict or value and samples"; }

  std::string Field(const Row& row, const char* name) const {
    const auto column = columns_.find(name);
    return column == columns_.end() || column->second >= row.size() ? "" : row[column->second];
  }

  // As a run would judge what the metrics server says; an empty value is an answer without a series.
  Result<PastSample> Judged(const Row& row, std::size_t number, PastSample sample) const {
    const PlannedStep& planned = plan_.criteria[sample.criterion];
    const auto* criterion = dynamic_cast<const Criterion*>(FindStep(planned.name));
    StepContext context;
    context.application = &plan_.application;
    context.parameters = planned.parameters;
    context.earlier = [](std::string_view, std::string_view) { return Json(); };
    const std::string value = Field(row, "value");
    const std::string samples = Field(row, "samples");
    const std::string nothing = "NaN";
    const auto judged = criterion->Judge(context, value.empty() ? nothing : value, samples.empty() ? nothing : samples);
    if (!judged) return Wrong(path_, number, judged.error().message, judged.error().advice);
    sample.verdict = judged->verdict;
    if (sample.why.empty()) sample.why = judged->why;
    return sample;
  }

  const Plan& plan_;
  const std::string& path_;
  std::map<std::string, std::size_t> columns_;
};

}  // namespace

Result<std::vector<PastSample>> ParseSamples(const Plan& plan, const std::string& path, const std::string& text) {
  const auto rows = Split(path, text);
  if (!rows) return rows.error();
  if (rows->empty()) return Wrong(path, 1, "the file is empty", "the first row names the columns");
  const SampleReader reader(plan, path, rows->front());
  if (const Status header = reader.CheckHeader(); !header) return header.error();
  std::vector<PastSample> samples;
  for (std::size_t i = 1; i < rows->size(); ++i) {
    Result<PastSample> sample = reader.Read((*rows)[i], i + 1);
    if (!sample) return sample.error();
    samples.push_back(std::move(*sample));
  }
  std::stable_sort(samples.begin(), samples.end(),
                   [](const PastSample& left, const PastSample& right) { return left.at_ms < right.at_ms; });
  return samples;
}

Result<std::vector<PastSample>> ReadSampleFile(const Plan& plan, const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return Error{ErrorKind::kNotFound, "", path, "cannot be read", ""};
  if (static_cast<std::size_t>(file.tellg()) > kMaxSampleFileBytes)
    return Error{ErrorKind::kInvalid, "", path, "larger than 256 MiB", "test against a shorter time"};
  file.seekg(0);
  std::ostringstream text;
  text << file.rdbuf();
  return ParseSamples(plan, path, text.str());
}

}  // namespace vmferry
