# SPDX-License-Identifier: Apache-2.0
"""Killed in mid-copy and resumed; interrupted and resumed; a second engine hands its wave over."""
import fcntl
import json
import os
import signal
import unittest

from labtest import LabTest, kill_hard, wait_until


class Resume(LabTest):
    apps = 3

    def slow_down(self):
        self.control("POST", "/faults", {"method": "GET /folder", "action": "rate", "bytes_per_s": 4000000})

    def copying(self, app):
        return any(v.startswith(app) for v in self.volumes())

    def test_1_killed_in_mid_copy_then_resumed(self):
        self.record("before-the-kill", 1)
        self.slow_down()
        process = self.start("run", "app1.yaml", "--site", "site.yaml")
        wait_until("the copy began", lambda: self.copying("app1"))
        kill_hard(process)
        self.control("DELETE", "/faults")
        run = self.last_run()
        self.assertNotEqual(self.application("app1")["phase"], "soak")
        self.vmferry("resume", run, "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.assertIn("before-the-kill", self.records(1))
        self.assertEqual(self.application("app1")["phase"], "soak")
        self.vmferry("audit", "verify", "--site", "site.yaml")

    def test_2_interrupted_it_says_how_to_go_on(self):
        self.slow_down()
        process = self.start("run", "app2.yaml", "--site", "site.yaml")
        wait_until("the copy began", lambda: self.copying("app2"))
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, text)
        run = self.last_run()
        self.assertIn(f"vmferry resume {run}", text)
        self.control("DELETE", "/faults")
        self.vmferry("resume", run, "--site", "site.yaml")
        self.served_by(2, "QEMU")

    def test_3_a_second_run_hands_its_wave_to_the_engine(self):
        # app3 copies slowly under the first process; the second brings app1's rollback and must not wait for it.
        self.slow_down()
        first = self.start("run", "app3.yaml", "--site", "site.yaml")
        wait_until("the copy began", lambda: self.copying("app3"))
        runs = [r["run"] for r in self.vmferry("--json", "status", "--site", "site.yaml").of("run")]
        refused = self.vmferry("run", "app3.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("run r-", refused.text)
        self.vmferry("rollback", runs[0], "--site", "site.yaml", "--reason", "over the socket")
        self.served_by(1, "VMware")
        self.assertIsNone(first.poll(), "the first process ended")
        self.vmferry("run", "app1.yaml", "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.control("DELETE", "/faults")
        text, _ = first.communicate(timeout=240)
        self.assertEqual(first.returncode, 0, text)
        self.served_by(3, "QEMU")

    def test_4_a_lock_held_by_something_unreachable_is_exit_14(self):
        journal = self.path("held.db")
        with open(journal + ".lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            lock.write(json.dumps({"pid": os.getpid(), "host": "here", "since": "2026-03-01T02:00:00.000Z", "socket": ""}))
            lock.flush()
            held = self.vmferry("--journal", journal, "run", "app1.yaml", "--site", "site.yaml", expect=14)
        self.assertIn(str(os.getpid()), held.text)


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
