# SPDX-License-Identifier: Apache-2.0
"""Makes RESULTS.md of what tests/bench/run.sh measured. Called by it alone."""
import json
import os
import statistics
import sys
import time

folder = sys.argv[1]
one, one_effects, waiting, waiting_ten = (json.loads(a) for a in sys.argv[2:6])
tasks, ansible = int(sys.argv[6]), float(sys.argv[7])


def lines(name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def spread(runs, key, digits=0):
    values = sorted(run[key] for run in runs)
    shown = [f"{value:,.{digits}f}" for value in (statistics.median(values), values[0], values[-1])]
    return f"{shown[0]} ({shown[1]} to {shown[2]})"


def median(runs, key):
    return statistics.median(run[key] for run in runs)


many, effects, runs = lines("many.jsonl"), lines("effects.jsonl"), lines("growth.jsonl")
resumed, resumed_ten = lines("resumed.jsonl"), lines("resumed_ten.jsonl")
spawning, nothing = median(lines("spawning.jsonl"), "seconds"), median(lines("nothing.jsonl"), "seconds")
growth = {size: [run for run in runs if run["applications"] == size] for size in (100, 1000, 10000, 100000)}
print(f"""# What the engine costs

Written by `tests/bench/run.sh` on {time.strftime('%Y-%m-%d')}; {os.cpu_count()} processors. Steps do nothing, the
journal lies on a disk and every event is durable. Ranges are over several runs.

## One application

Bare SQLite (WAL, `synchronous=FULL`) commits the rows the engine wrote, in the same run: an outcome and the intent
behind it in one commit, as the engine does. The median of five pairs.

| steps | engine, events/s | bare SQLite, events/s | ratio | asked |
| --- | --- | --- | --- | --- |
| checks | {one['events_per_s']:,.0f} | {one['bare_events_per_s']:,.0f} | {one['ratio']:.2f} ({one['ratio_worst']:.2f} to {one['ratio_best']:.2f}) | 0.75 |
| effects, looked at before each intent | {one_effects['events_per_s']:,.0f} | {one_effects['bare_events_per_s']:,.0f} | {one_effects['ratio']:.2f} ({one_effects['ratio_worst']:.2f} to {one_effects['ratio_best']:.2f}) | |

## 1,000 applications of 20 steps, 64 at once

Overhead: from the end of a step to the beginning of the application's next one.

| steps | durable events/s | asked | overhead p50, ms | overhead p99, ms | asked |
| --- | --- | --- | --- | --- | --- |
| checks | {spread(many, 'events_per_s')} | 60,000 | {spread(many, 'overhead_ms_p50', 1)} | {spread(many, 'overhead_ms_p99', 1)} | 5 |
| effects | {spread(effects, 'events_per_s')} | | {spread(effects, 'overhead_ms_p50', 1)} | {spread(effects, 'overhead_ms_p99', 1)} | |

## 10,000 applications that wait for a step

Resumed: from the start of a new process after SIGKILL until every application waits again.

| waiting in | KiB each | asked | processor | asked | resumed after, s | KiB each then | asked |
| --- | --- | --- | --- | --- | --- | --- | --- |
| the 2nd of 20 steps | {waiting['kib_each']:.1f} | 30 | {waiting['processor_percent']:.2f} % | 1 % | {spread(resumed, 'seconds', 2)} | {median(resumed, 'kib_each'):.1f} | 1 s |
| the 11th of 20 steps | {waiting_ten['kib_each']:.1f} | 30 | | | {spread(resumed_ten, 'seconds', 2)} | {median(resumed_ten, 'kib_each'):.1f} | 1 s |

## Beside ansible-playbook

{tasks} tasks `command: /bin/true` on localhost, `gather_facts: false`; the whole process. vmferry: one application of as
many steps `command`, through the role command's plugin `local`; and as many steps that do nothing. Medians of six runs,
three before and three after ansible's one.

| | ms a step | ansible-playbook takes | asked |
| --- | --- | --- | --- |
| ansible-playbook | {1000 * ansible / tasks:.1f} | | |
| vmferry, `command` with `/bin/true` | {1000 * spawning / tasks:.2f} | {ansible / spawning:.0f} times as long | 100 |
| vmferry, doing nothing | {1000 * nothing / tasks:.2f} | {ansible / nothing:.0f} times as long | |

## Growth

Waves of applications with 4 checks each, 64 at once; 11 or less is asked of each factor. Medians of five runs, of three
for 100,000, in turn.

| applications | seconds | times the row above | peak memory, MiB | times the row above |
| --- | --- | --- | --- | --- |""")
before = None
for size, same in growth.items():
    seconds, peak = median(same, "seconds"), median(same, "peak_kib")
    times = (f"{seconds / before[0]:.1f}", f"{peak / before[1]:.1f}") if before else ("", "")
    print(f"| {size:,} | {spread(same, 'seconds', 2)} | {times[0]} | {peak / 1024:.1f} | {times[1]} |")
    before = (seconds, peak)

with open(os.path.join(folder, "journal.json"), encoding="utf-8") as file:
    rate = {"/".join(run["name"].split("/")[:2]): run["items_per_second"] for run in json.load(file)["benchmarks"]}
print("""
## The journal alone

`bench_journal`, beside bare SQLite committing rows of the same bytes. The journal also hashes and chains each event.

| events | bare SQLite, events/s | journal, events/s | ratio |
| --- | --- | --- | --- |""")
for words, bare, journal in (
        ("one a commit, each waited for", "Bare/OneByOne", "Journal/OneByOne"),
        ("one a commit, acknowledged asynchronously", "Bare/OneByOne", "Journal/OneByOneAsync"),
        ("1,000 applications, commits shared", "Bare/Grouped", "Journal/Grouped")):
    print(f"| {words} | {rate[bare]:,.0f} | {rate[journal]:,.0f} | {rate[journal] / rate[bare]:.2f} |")
print(f"\nReading {rate['Journal/Read']:,.0f} events/s, verifying {rate['Journal/Verify']:,.0f} events/s.")
