# SPDX-License-Identifier: Apache-2.0
"""The main job: a running application moves from the vCenter to KVM and back, and is committed in the end."""
import os
import re
import shutil
import sqlite3
import unittest

from labtest import HealthWatch, LabTest, Writer, wait_until


class MainJob(LabTest):
    options = ["--disk2", "app1=24"]

    def test_1_the_dry_run_changes_nothing(self):
        self.control("DELETE", "/calls")
        planned = self.vmferry("plan", "app1.yaml", "--site", "site.yaml")
        self.assertIn("no problems found", planned.text)
        self.assertIn("point of no return", planned.text)
        calls = self.control("GET", "/calls")
        self.assertEqual(calls["writes"], {})
        self.assertGreater(len(calls["counts"]), 0)
        self.assertEqual(self.domains(), [])
        self.assertEqual(self.volumes(), [])

    def test_2_moves_and_loses_nothing(self):
        before = self.whoami(self.url())
        self.assertEqual(before["vendor"], "VMware")
        writer, watch = Writer(self.url()), HealthWatch(self)
        writer.start()
        watch.start()
        wait_until("records are written", lambda: len(writer.acknowledged) >= 5)
        ran = self.vmferry("--json", "run", "app1.yaml", "--site", "site.yaml", "--reason", "change 4711")
        self.served_by(1, "QEMU")
        writer.stop()
        watch.stop()
        after = self.whoami(self.url())
        self.assertEqual(after["mac"], before["mac"])
        self.assertEqual(set(writer.acknowledged) - set(self.records()), set(), "acknowledged records were lost")
        self.health_gap_is_inside_the_quiescing(watch, ran)
        self.assertEqual(self.application()["phase"], "soak")
        type(self).acknowledged = writer.at_ms
        source = self.vm()
        self.assertEqual(source["power_state"], "poweredOff")

    def health_gap_is_inside_the_quiescing(self, watch, ran):
        events = [line for line in ran.lines if "kind" in line]
        quiesced = next(e for e in events if e["kind"] == "intent" and e["payload"]["name"] == "quiesce_application")
        type(self).quiesced_at = quiesced["at_ms"]
        switched = next(e for e in events if e["kind"] == "outcome" and e["payload"]["name"] == "update_load_balancer")
        gap = ran.of("result")[0]["applications"][0]["serviceGap_ms"]
        print(f"no healthy server at the load balancer for at most {gap / 1000:.1f} s; "
              f"seen so {len(watch.without())} of {len(watch.samples)} times")
        self.assertEqual(gap, switched["at_ms"] - quiesced["at_ms"])
        self.assertGreater(len(watch.without()), 0, "the watch saw nothing: it would not notice a gap either")
        for at in watch.without():
            self.assertGreaterEqual(at, quiesced["at_ms"] - 100)
            self.assertLessEqual(at, switched["at_ms"] + 100)

    def test_3_a_second_run_is_refused(self):
        again = self.vmferry("run", "app1.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("run r-", again.text)
        self.assertIn("soak", again.text)
        # The dry run said "no problems" for an application that `run` then refused.
        plan = self.vmferry("plan", "app1.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("soak", plan.text)

    def test_4_another_journal_meets_the_claim(self):
        other = self.vmferry("--journal", self.path("other.db"), "run", "app1.yaml", "--site", "site.yaml", expect=3)
        self.assertIn(self.last_run(), other.text)
        self.assertIn("nothing touched", other.text)

    def test_5_rollback_returns_traffic_to_the_source_with_its_records(self):
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        self.served_by(1, "VMware")
        before = self.acknowledged_before_quiesce()
        self.assertGreater(len(before), 4)
        self.assertEqual(set(before) - set(self.records()), set())
        self.assertEqual(self.domains(), [])
        self.assertEqual(self.vm()["extra_config"].get("vmferry.claim"), None)
        lb = self.lb()
        self.assertTrue(lb["vmware"].startswith("UP"), lb)
        self.assertTrue(lb["kvm"].startswith("MAINT"), lb)

    def acknowledged_before_quiesce(self):
        """The records that the source must have: those written after the switch are in the target's overlay."""
        return [text for text, at in self.acknowledged.items() if at < self.quiesced_at]

    def staged(self, page):
        """A runbook that looks at the target in two ways, and then gives it its traffic in stages with a look at a page."""
        target = f"127.0.0.1:{self.env['APP1_KVM_PORT']}"
        text = self.read(self.path("app1.yaml"))
        for name, parameters in (("smoke_test", f"probes: ['http://{target}/healthz', 'tcp://{target}']"),
                                 ("update_load_balancer", "weight: 100, stages: [10, 50, 100], stageFor: 6s, "
                                                          f"probe: web, stageUrl: 'http://{target}{page}'")):
            self.assertIn(f"  - {name}\n", text)
            text = text.replace(f"  - {name}\n", f"  - {name}: {{{parameters}}}\n")
        with open(self.path("staged.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        return ("run", "staged.yaml", "--site", "site.yaml")

    def test_5_then_a_stage_that_looks_bad_goes_back(self):
        weight = self.lb(column="weight")
        ran = self.vmferry(*self.staged("/no-such-page"), expect=10)
        self.assertIn("server app1/kvm at 10 % of its weight: ", ran.text)
        self.assertIn("3 looks in a row", ran.text)
        self.served_by(1, "VMware")
        self.assertEqual(self.lb(column="weight"), weight)

    def test_6_moves_again_in_stages_and_is_committed(self):
        kept = self.overlays()  # of the rolled-back runs: what their target wrote
        process = self.start(*self.staged("/healthz"))
        for weight in ("10", "50", "100"):
            wait_until(f"the target's weight is {weight}", lambda weight=weight: self.lb(column="weight")["kvm"] == weight)
        text, _ = process.communicate(timeout=120)
        self.printed.append(text)
        self.assertEqual(process.returncode, 0, text)
        self.served_by(1, "QEMU")
        self.assertGreater(len(self.overlays()), len(kept))
        self.record("after-the-switch")
        self.vmferry("commit", self.last_run(), "--site", "site.yaml")
        self.assertIn("after-the-switch", self.records())
        self.assertEqual(self.application()["phase"], "committed")
        self.assertNotIn("overlay", self.virsh("dumpxml", "app1"))
        self.assertNotIn("overlay", self.virsh("dumpxml", "--inactive", "app1"))
        self.assertEqual(self.overlays(), kept)
        self.assertIn("vmferry.migrated", self.vm()["extra_config"])
        self.assertFalse(any(card["start_connected"] for card in self.vm()["cards"]), "the fence stays")

    def overlays(self):
        return sorted(v for v in self.volumes() if "overlay" in v)

    def test_7_a_run_after_success_is_refused_with_what_happened(self):
        again = self.vmferry("run", "app1.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("already migrated by run", again.text)
        plan = self.vmferry("plan", "app1.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("already migrated by run", plan.text)
        other = self.vmferry("--journal", self.path("third.db"), "run", "app1.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("migrated", other.text)

    def test_8_the_audit_trail_verifies_and_tampering_shows(self):
        self.vmferry("audit", "verify", "--site", "site.yaml")
        shutil.copy(self.path("journal.db"), self.path("forged.db"))
        database = sqlite3.connect(self.path("forged.db"))
        for (trigger,) in database.execute("select name from sqlite_master where type = 'trigger'").fetchall():
            database.execute(f"drop trigger {trigger}")
        database.execute("update events set payload = replace(payload, 'change 4711', 'change 4712')")
        database.commit()
        database.close()
        forged = self.vmferry("--journal", self.path("forged.db"), "audit", "verify", expect=16)
        self.assertIn("BROKEN", forged.text)

    def test_9_the_password_is_nowhere(self):
        secret = self.password.encode()
        self.assertGreater(len(secret), 8)
        for text in self.printed:
            self.assertNotIn(secret, text.encode())
        searched = 0
        for name in os.listdir(self.place):
            path = self.path(name)
            if not os.path.isfile(path):
                continue
            with open(path, "rb") as file:
                self.assertNotIn(secret, file.read(), name)
            searched += 1
        self.assertGreater(searched, 3)
        self.assertTrue(re.search(r"journal\.db", " ".join(os.listdir(self.place))))


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
