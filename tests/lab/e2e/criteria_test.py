# SPDX-License-Identifier: Apache-2.0
"""Rollback criteria on real parts: a guest made slow, one that dies, a metrics server that is killed, an undo that
fails until somebody mends its cause, and a trip after the decision to commit."""
import json
import os
import signal
import subprocess
import sys
import threading
import time

import unittest

from labtest import LAB, LabTest, wait_until

WRITE_SEED = os.path.join(os.path.dirname(LAB), "write-seed.sh")
APP = "customer-analytics-api"
HEALTH = {"app_health_check_failure": {"every": "1s", "trip": 3, "maxLatency": "2s", "errors": {"consecutive": 20}}}
CUTOVER = ["quiesce_application", "final_data_sync", "convert_image", {"power_on_target": {"stopDeadline": "1s"}},
           "smoke_test", {"update_load_balancer": {"deadline": "60s"}}]


class SlowGuest(threading.Thread):
    """Lets the guest's machine run half a second out of two."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.ended = pid, threading.Event()

    def run(self):
        try:
            while not self.ended.is_set():
                os.kill(self.pid, signal.SIGSTOP)
                self.ended.wait(1.5)
                os.kill(self.pid, signal.SIGCONT)
                self.ended.wait(0.5)
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass

    def stop(self):
        self.ended.set()
        self.join(timeout=10)


class Criteria(LabTest):
    options = ["--only", "vcenter,libvirt,haproxy,bind,prometheus,restic"]
    documents = WRITE_SEED

    # --- the run under test ---

    def move(self, criteria, window=60):
        """A run whose application soaks, in the background; its process."""
        runbook = {"application": APP, "sourcePlatform": "vmware-vsphere", "targetPlatform": "pextra-cloud",
                   "rollbackWindowMinutes": window, "preChecks": ["vm_exists"], "cutoverSteps": CUTOVER,
                   "rollbackCriteria": [{name: rule} if rule else name for name, rule in criteria.items()]}
        with open(self.path("app.yaml"), "w", encoding="utf-8") as file:
            json.dump(runbook, file)  # JSON is YAML
        # At first the metrics server knows too little of the source for a baseline.
        wait_until("the dry run finds nothing", lambda: self.vmferry(
            "plan", "app.yaml", "--site", "site.yaml", expect=None).code == 0)
        known = self.runs()
        process = self.start("run", "app.yaml", "--site", "site.yaml", "--reason", "criteria")
        self.addCleanup(self.leave, process)
        wait_until("the run has begun", lambda: len(self.runs()) > len(known))
        wait_until("it soaks", lambda: self.application(APP)["phase"] == "soak")
        return process

    def leave(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)

    def runs(self):
        if not os.path.exists(self.path("journal.db")):
            return []
        return self.vmferry("--json", "status", "--site", "site.yaml", expect=None).of("run")

    def story(self, kind):
        return [event for event in self.events(self.last_run()) if event["kind"] == kind]

    def passes(self, criterion):
        """Waits until the criterion has passed since now."""
        seen = len(self.story("sample"))
        wait_until(f"{criterion} passes", lambda: any(
            event["payload"]["name"] == criterion and event["payload"]["verdict"] == "pass"
            for event in self.story("sample")[seen:]))

    def ends(self, process, code):
        text, _ = process.communicate(timeout=240)
        self.assertEqual(process.returncode, code, text)
        return text

    def machine(self):
        """The process of the target's guest."""
        mark = self.env["POOL_DIR"].encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    command = file.read()
            except OSError:
                continue
            if b"qemu-system" in command.split(b"\0")[0] and mark in command:
                return int(pid)
        return None

    def is_back(self):
        """The source serves as before, and the fence is lifted."""
        self.served_by(1, "VMware")
        self.assertEqual(self.domains(), [])
        servers = self.lb()
        self.assertTrue(servers["vmware"].startswith("UP"), servers)
        self.assertTrue(servers["kvm"].startswith("MAINT"), servers)
        self.assertTrue(all(card["start_connected"] for card in self.vm()["cards"]))
        self.assertNotIn("vmferry.claim", self.vm()["extra_config"])

    def prints_the_way_back(self):
        """From the trip until the source was in service again."""
        last = next(event["at_ms"] for event in self.story("verdict") if event["payload"]["reaction"] == "rollback")
        seconds = {}
        for event in self.story("undo outcome"):
            seconds[event["payload"]["name"]] = (event["at_ms"] - last) / 1000
            last = event["at_ms"]
            if event["payload"]["name"] == "quiesce_application":
                break
        steps = ", ".join(f"{name} {time:.1f}" for name, time in seconds.items())
        print(f"from the trip to the source in service: {sum(seconds.values()):.1f} s ({steps})", file=sys.stderr,
              flush=True)

    # --- the cases ---

    def test_1_a_slow_guest_trips_on_the_declared_sample_and_its_records_are_kept(self):
        rule = {"every": "1s", "slo": "800ms", "minSamples": 3, "trip": {"failures": 2, "within": 3},
                "notWorseThan": {"factor": 100, "baseline": "30s", "minSamples": 3},
                "noData": {"then": "notify", "consecutive": 50}}
        process = self.move({"sustained_latency_regression": rule})
        self.passes("sustained_latency_regression")
        self.record("written-on-the-target")
        slow = SlowGuest(self.machine())
        slow.start()
        self.addCleanup(slow.stop)
        text = self.ends(process, 10)
        slow.stop()
        self.assertIn("2 of the latest", text)
        failed = [event["payload"]["verdict"] for event in self.story("sample")]
        self.assertEqual(failed[-3:].count("fail"), 2, "it went back on the second failure of three, not later")
        self.assertEqual(failed[-1], "fail")
        self.was_held_against_what_the_source_did()
        self.is_back()
        self.assertNotIn("written-on-the-target", self.records())
        delta = next(event["payload"]["facts"]["delta"] for event in self.story("undo outcome")
                     if event["payload"]["name"] == "power_on_target")
        self.assertEqual(len(delta), 1)
        self.prints_the_way_back()

    def was_held_against_what_the_source_did(self):
        measured, = [event["payload"]["facts"]["baselines"] for event in self.story("outcome")
                     if event["payload"]["name"] == "source_measured"]
        self.assertGreaterEqual(measured[0]["samples"], 3)
        self.assertLess(0, measured[0]["value"])
        for event in self.story("sample"):
            if event["payload"]["verdict"] in ("pass", "fail"):
                self.assertEqual(event["payload"]["facts"]["baseline"]["value"], measured[0]["value"])

    def test_2_a_guest_that_dies_goes_back_and_a_blocked_way_back_goes_on_once_it_is_mended(self):
        process = self.move(HEALTH)
        self.passes("app_health_check_failure")
        os.rename(self.env["HAPROXY_SOCKET"], self.env["HAPROXY_SOCKET"] + ".away")
        self.addCleanup(self.socket_back)
        os.kill(self.machine(), signal.SIGKILL)
        text = self.ends(process, 11)
        self.assertIn("rollback blocked", text)
        self.assertIn("still to be undone", text)
        self.socket_back()
        resumed = self.vmferry("resume", self.last_run(), "--site", "site.yaml", expect=10)
        self.assertIn("rolled back: criterion app_health_check_failure", resumed.text)
        self.is_back()

    def socket_back(self):
        if os.path.exists(self.env["HAPROXY_SOCKET"] + ".away"):
            os.rename(self.env["HAPROXY_SOCKET"] + ".away", self.env["HAPROXY_SOCKET"])

    def test_3_a_trip_after_the_decision_to_commit_calls_a_person(self):
        process = self.move(HEALTH)
        self.passes("app_health_check_failure")
        machine = self.machine()
        os.kill(machine, signal.SIGSTOP)
        self.addCleanup(os.kill, machine, signal.SIGCONT)
        committing = self.start("commit", self.last_run(), "--site", "site.yaml")
        self.addCleanup(self.leave, committing)
        wait_until("a person is called", lambda: self.application(APP)["activity"] == "needs operator")
        self.assertEqual(self.application(APP)["phase"], "commit")
        verdict = self.story("verdict")[-1]["payload"]
        self.assertEqual((verdict["declared"], verdict["reaction"]), ("rollback", "hold"))
        self.assertEqual([event for event in self.story("decision") if event["payload"]["kind"] == "rollback"], [])
        os.kill(machine, signal.SIGCONT)
        wait_until("the application is well again", lambda: self.whoami(self.url())["vendor"] == "QEMU")
        self.vmferry("resume", self.last_run(), "--site", "site.yaml")
        self.assertEqual(self.application(APP)["phase"], "committed")
        self.assertEqual(self.whoami(self.url())["vendor"], "QEMU")
        self.vmferry("audit", "replay", self.last_run(), "--site", "site.yaml")
        self.vmferry("audit", "verify", "--site", "site.yaml")


class KilledPrometheus(LabTest):
    options = Criteria.options
    documents = WRITE_SEED
    move, leave, runs, story, passes, ends, is_back = (Criteria.move, Criteria.leave, Criteria.runs, Criteria.story,
                                                       Criteria.passes, Criteria.ends, Criteria.is_back)

    def test_a_killed_metrics_server_does_not_roll_back_it_holds_and_says_why(self):
        rule = {"every": "1s", "minSamples": 3, "errors": {"consecutive": 3, "then": "hold"}}
        process = self.move({"sustained_latency_regression": rule, **HEALTH})
        self.passes("sustained_latency_regression")
        with open(os.path.join(self.env["LAB_STATE"], "pids", "prometheus"), encoding="utf-8") as file:
            os.kill(int(file.read().split()[0]), signal.SIGKILL)
        wait_until("a person is called", lambda: self.application(APP)["activity"] == "needs operator")
        reason = self.application(APP)["reason"]
        self.assertIn("criterion sustained_latency_regression: the latest 3 samples neither passed nor failed (error)", reason)
        self.assertIn("refused", reason)
        self.assertEqual(self.whoami(self.url())["vendor"], "QEMU", "the application is as well as before")
        self.assertIsNone(process.poll(), "the other criteria are watched while it holds")
        self.passes("app_health_check_failure")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "enough seen")
        self.ends(process, 10)
        self.is_back()


if __name__ == "__main__":
    unittest.main(verbosity=2)
