// SPDX-License-Identifier: Apache-2.0
#include "state/chain.h"

#include <openssl/evp.h>

#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "state/json_text.h"

namespace vmferry {
namespace {

// Fetching the algorithm and allocating a context cost more than hashing an event, so each thread keeps its own.
struct Hasher {
  EVP_MD* md = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  Hasher() = default;
  Hasher(const Hasher&) = delete;
  Hasher& operator=(const Hasher&) = delete;
  ~Hasher() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(md);
  }
};

std::string Digest(std::initializer_list<std::string_view> pieces) {
  thread_local Hasher hasher;
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<unsigned char, 32> digest{};
  EVP_DigestInit_ex2(hasher.context, hasher.md, nullptr);
  for (const std::string_view piece : pieces) EVP_DigestUpdate(hasher.context, piece.data(), piece.size());
  EVP_DigestFinal_ex(hasher.context, digest.data(), nullptr);
  std::string text(64, '0');
  for (std::size_t i = 0; i < digest.size(); ++i) {
    text[2 * i] = kDigits[digest[i] >> 4];
    text[2 * i + 1] = kDigits[digest[i] & 15];
  }
  return text;
}

std::string DumpReplacing(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool IsPlain(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f || c == '"' || c == '\\')
      return false;
  return true;
}

void PutText(std::string& out, std::string_view text) {
  if (!IsPlain(text)) {
    out += DumpReplacing(Json(text));
    return;
  }
  out += '"';
  out += text;
  out += '"';
}

void PutNumber(std::string& out, std::int64_t number) {
  std::array<char, 24> digits{};
  out.append(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr);
}

// Reads the canonical header; anything else (escapes, members added by a later version) is left to the JSON parser,
// which is five times slower.
class HeaderCursor {
 public:
  explicit HeaderCursor(std::string_view rest) : rest_(rest) {}
  bool ok() const { return ok_; }
  bool AtEnd() const { return rest_.empty(); }
  void Literal(std::string_view text) {
    ok_ = ok_ && rest_.starts_with(text);
    if (ok_) rest_.remove_prefix(text.size());
  }
  template <class Number>
  void Int(std::string_view before, Number& number) {
    Literal(before);
    const auto [end, problem] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
    ok_ = ok_ && problem == std::errc();
    if (ok_) rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
  }
  std::string_view Text(std::string_view before) {
    Literal(before);
    const std::size_t end = rest_.find('"');
    ok_ = ok_ && end != std::string_view::npos && IsPlain(rest_.substr(0, end));
    if (!ok_) return {};
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

// All but payload and `encoded`. False, with anything in `event`, if the header is not the canonical one.
bool DecodeCanonical(std::string_view header, Event& event) {
  HeaderCursor cursor(header);
  cursor.Int(R"({"seq":)", event.seq);
  event.run = cursor.Text(R"(,"run":")");
  event.application = cursor.Text(R"(,"application":")");
  cursor.Int(R"(,"chain_seq":)", event.chain_seq);
  cursor.Int(R"(,"epoch":)", event.epoch);
  const auto kind = EventKindFromName(cursor.Text(R"(,"kind":")"));
  cursor.Int(R"(,"step":)", event.step);
  cursor.Int(R"(,"attempt":)", event.attempt);
  cursor.Int(R"(,"wall_ms":)", event.at.wall_ms);
  cursor.Int(R"(,"mono_ms":)", event.at.monotonic_ms);
  event.actor = cursor.Text(R"(,"actor":")");
  cursor.Literal("}");
  if (!cursor.ok() || !cursor.AtEnd() || !kind) return false;
  event.kind = *kind;
  return true;
}

Error Corrupt(std::string message) {
  return Error{
      .kind = ErrorKind::kCorrupt, .system = "journal", .object = "", .message = std::move(message), .advice = ""};
}

Error Refused(std::string message) {
  return Error{
      .kind = ErrorKind::kInvalid, .system = "journal", .object = "", .message = std::move(message), .advice = ""};
}

// Walks a payload once: how deep it is, and whether its text will say less than it does.
bool WithinDepth(const Json& json, int left, bool& lossy) {
  if (json.is_number_float() && !std::isfinite(json.get<double>())) lossy = true;
  if (json.is_string() && !IsUtf8(json.get_ref<const std::string&>())) lossy = true;
  if (json.is_binary() || json.is_discarded()) lossy = true;
  if (!json.is_structured()) return true;
  if (left == 0) return false;
  if (json.is_object())
    for (const auto& [name, member] : json.get_ref<const Json::object_t&>()) lossy = lossy || !IsUtf8(name);
  for (const Json& member : json)
    if (!WithinDepth(member, left - 1, lossy)) return false;
  return true;
}

std::string CheckName(std::string_view name, std::string_view what) {
  if (name.size() > kMaxNameBytes) return std::string(what) + " is longer than 200 bytes";
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::string(what) + " holds a control character";
  if (!IsPlain(name) && Json::parse(DumpReplacing(Json(name))) != Json(name))
    return std::string(what) + " is not UTF-8";
  return "";
}

// By what their text will say.
void Replace(Event& event, bool lossy_payload) {
  if (lossy_payload) event.payload = Json::parse(DumpReplacing(event.payload), nullptr, false);
  if (!IsUtf8(event.actor)) event.actor = Json::parse(DumpReplacing(Json(event.actor))).get<std::string>();
}

Status ReadPayload(std::string_view payload, Event& event) {
  event.payload = ParseJson(payload);
  if (event.payload.is_object()) return Ok();
  return Corrupt("the payload of event " + std::to_string(event.seq) + " is not a JSON object");
}

}  // namespace

void Normalise(Event& event) {
  bool lossy = false;
  if (WithinDepth(event.payload, kMaxPayloadDepth, lossy)) Replace(event, lossy);
}

Result<SealedEvent> Prepare(Event event) {
  std::string problem = CheckName(event.run, "the run id");
  if (problem.empty()) problem = CheckName(event.application, "the application's name");
  if (problem.empty() && event.run.empty()) problem = "an event needs the id of its run";
  if (problem.empty() && !event.payload.is_object()) problem = "an event's payload must be a JSON object";
  bool lossy = false;
  if (problem.empty() && !WithinDepth(event.payload, kMaxPayloadDepth, lossy))
    problem = "an event's payload is nested more than 500 levels deep";
  if (!problem.empty()) return Refused(problem);
  Replace(event, lossy);
  SealedEvent sealed;
  sealed.payload = event.encoded.empty() ? event.payload.dump() : event.encoded;
  if (sealed.payload.size() > kMaxPayloadBytes) return Refused("an event's payload is larger than 64 MiB");
  sealed.payload_sha256 = PayloadHash(sealed.payload);
  sealed.event = std::move(event);
  return sealed;
}

Result<std::vector<SealedEvent>> PrepareAll(std::vector<Event> events) {
  std::vector<SealedEvent> prepared;
  prepared.reserve(events.size());
  for (Event& event : events) {
    Result<SealedEvent> one = Prepare(std::move(event));
    if (!one) return one.error();
    prepared.push_back(*std::move(one));
  }
  return prepared;
}

void Seal(SealedEvent& sealed, std::int64_t seq, std::int64_t epoch, ChainHead& head) {
  Event& event = sealed.event;
  if (head.chain_seq == 0) head.hash = GenesisHash({event.run, event.application});
  event.seq = seq;
  event.epoch = epoch;
  event.chain_seq = ++head.chain_seq;
  sealed.header = EncodeHeader(event);
  sealed.prev_hash = std::move(head.hash);
  sealed.hash = LinkHash(sealed.prev_hash, sealed.payload_sha256, sealed.header);
  head.hash = sealed.hash;
}

std::string EncodeHeader(const Event& event) {
  std::string out;
  out.reserve(256);
  out += R"({"seq":)", PutNumber(out, event.seq);
  out += R"(,"run":)", PutText(out, event.run);
  out += R"(,"application":)", PutText(out, event.application);
  out += R"(,"chain_seq":)", PutNumber(out, event.chain_seq);
  out += R"(,"epoch":)", PutNumber(out, event.epoch);
  out += R"(,"kind":)", PutText(out, Name(event.kind));
  out += R"(,"step":)", PutNumber(out, event.step);
  out += R"(,"attempt":)", PutNumber(out, event.attempt);
  out += R"(,"wall_ms":)", PutNumber(out, event.at.wall_ms);
  out += R"(,"mono_ms":)", PutNumber(out, event.at.monotonic_ms);
  out += R"(,"actor":)", PutText(out, event.actor);
  out += '}';
  return out;
}

Result<Event> DecodeHeader(std::string_view header) {
  if (Event canonical; DecodeCanonical(header, canonical)) return canonical;
  try {
    const Json json = Json::parse(header);
    const std::string name = json.at("kind").get<std::string>();
    const auto kind = EventKindFromName(name);
    if (!kind) return Corrupt("unknown kind of event '" + name + "'");
    return Event{.seq = json.at("seq").get<std::int64_t>(),
                 .run = json.at("run").get<std::string>(),
                 .application = json.at("application").get<std::string>(),
                 .chain_seq = json.at("chain_seq").get<std::int64_t>(),
                 .kind = *kind,
                 .step = json.at("step").get<int>(),
                 .attempt = json.at("attempt").get<int>(),
                 .epoch = json.at("epoch").get<std::int64_t>(),
                 .at = {json.at("wall_ms").get<std::int64_t>(), json.at("mono_ms").get<std::int64_t>()},
                 .actor = json.at("actor").get<std::string>(),
                 .payload = Json::object(),
                 .encoded = ""};
  } catch (const Json::exception& problem) {
    return Corrupt(std::string("an event's header cannot be read: ") + problem.what());
  }
}

Result<Event> Decode(std::string_view header, std::string_view payload) {
  Result<Event> event = DecodeHeader(header);
  if (!event) return event;
  if (const Status read = ReadPayload(payload, *event); !read) return read.error();
  return event;
}

Status DecodeToFold(std::string_view header, std::string_view payload, Event& event) {
  if (!DecodeCanonical(header, event)) {
    Result<Event> other = DecodeHeader(header);
    if (!other) return other.error();
    event = *std::move(other);
  }
  event.encoded.clear();
  const bool plan = event.kind == EventKind::kRunCreated && !event.application.empty();
  if (!plan) return ReadPayload(payload, event);
  event.payload = Json::object();
  event.encoded = payload;
  return Ok();
}

std::string GenesisHash(const ChainId& chain) {
  return Digest({"vmferry journal chain 1\n", chain.run, "\n", chain.application});
}

std::string PayloadHash(std::string_view payload) {
  return Digest({payload});
}

std::string LinkHash(std::string_view prev_hash, std::string_view payload_sha256, std::string_view header) {
  return Digest({"vmferry journal event 1\n", prev_hash, "\n", payload_sha256, "\n", header});
}

std::string CheckRow(const SealedEvent& row) {
  if (PayloadHash(row.payload) != row.payload_sha256) return "its payload was changed after it was written";
  if (LinkHash(row.prev_hash, row.payload_sha256, row.header) != row.hash)
    return "its header or a hash was changed after it was written";
  const Result<Event> header = DecodeHeader(row.header);
  if (!header) return header.error().message;
  const Event& column = row.event;
  if (header->seq != column.seq || header->run != column.run || header->application != column.application ||
      header->chain_seq != column.chain_seq)
    return "its columns say something else than its header";
  return "";
}

}  // namespace vmferry
