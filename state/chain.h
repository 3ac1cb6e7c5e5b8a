// SPDX-License-Identifier: Apache-2.0
//
// Chain: how an event becomes bytes and how the bytes are chained. JOURNAL.md is the contract; both journals use it.
//
// A header (JSON) says where an event stands and who wrote it, a payload (JSON) what it says. Each event's hash covers
// the previous hash of its chain, the digest of the payload's bytes and the header's bytes, all as stored: nothing is
// ever encoded again to verify. Threading: pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "state/event.h"
#include "state/journal.h"
#include "state/result.h"

namespace vmferry {

inline constexpr std::size_t kMaxNameBytes = 200;                       // of a run's id or an application's name
inline constexpr std::size_t kMaxPayloadBytes = std::size_t{64} << 20;  // of one event
inline constexpr int kMaxPayloadDepth = 500;                            // SQLite's JSON functions stop at 2,000

// An event with its stored bytes. Before Seal only the payload and its digest are set.
struct SealedEvent {
  Event event;  // as stored in columns: seq, run, application, chain_seq; the rest is the header's
  std::string header;
  std::string payload;
  std::string payload_sha256;  // all hashes are 64 lower-case hex digits
  std::string prev_hash;
  std::string hash;
};

// The end of a chain: the position and hash of its last event. chain_seq 0: the chain has no event yet.
struct ChainHead {
  std::int64_t chain_seq = 0;
  std::string hash;
};

// Replaces in the event what JSON cannot hold (bytes that are not UTF-8 by U+FFFD, NaN by null), so that the live state
// and a replay fold the same.
void Normalise(Event& event);

// Normalises, encodes the payload and takes its digest. Fails (kInvalid) on a payload that
// is no object, too large or too deep, and on names with control characters.
Result<SealedEvent> Prepare(Event event);
// Prepares all or none.
Result<std::vector<SealedEvent>> PrepareAll(std::vector<Event> events);

// Gives a prepared event its place, header and hash, and moves the head to it.
void Seal(SealedEvent& sealed, std::int64_t seq, std::int64_t epoch, ChainHead& head);

std::string EncodeHeader(const Event& event);
// The event a header describes, without payload; kCorrupt if it is none.
Result<Event> DecodeHeader(std::string_view header);
// The event of stored bytes, unverified.
Result<Event> Decode(std::string_view header, std::string_view payload);
// The same, where a plan stays text (Event::encoded): a fold keeps it so. Whatever `event` was, it is written over: one
// for many rows saves allocations.
Status DecodeToFold(std::string_view header, std::string_view payload, Event& event);

std::string GenesisHash(const ChainId& chain);  // the prev_hash of a chain's first event
std::string PayloadHash(std::string_view payload);
std::string LinkHash(std::string_view prev_hash, std::string_view payload_sha256, std::string_view header);

// Empty if the row's own bytes agree with each other (columns, header, digests, hash), else what does not.
std::string CheckRow(const SealedEvent& row);

}  // namespace vmferry
