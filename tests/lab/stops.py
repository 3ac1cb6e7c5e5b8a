#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How a run stops, and what does not stop it, on the embedded example: signals, a second signal, a lost terminal.

Usage: stops.py VMFERRY
"""
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

VMFERRY = os.path.abspath(sys.argv.pop(1))
EXAMPLE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../runbooks/examples/embedded")


def wait_until(what, condition, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds} s in vain: {what}")


class Stops(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="vmferry-stops.")
        self.addCleanup(shutil.rmtree, self.place)
        shutil.copytree(EXAMPLE, self.place, dirs_exist_ok=True)
        self.command = [VMFERRY, "run", "customer-analytics-api.yaml", "--site", "site.yaml"]

    def vmferry(self, *arguments, expect=0):
        done = subprocess.run([VMFERRY, *arguments, "--site", "site.yaml"], cwd=self.place, capture_output=True,
                              text=True, timeout=120)
        self.assertEqual(done.returncode, expect, done.stdout + done.stderr)
        return done.stdout

    def runs(self):
        lines = self.vmferry("--json", "status").splitlines()
        return [json.loads(line)["run"] for line in lines if '"run"' in line]

    def phase(self):
        return self.runs()[-1]["applications"][0]["phase"]

    def copying(self):
        """True once the copy is under way, which takes some seconds."""
        if not os.path.exists(os.path.join(self.place, "journal.db")):
            return False
        done = subprocess.run([VMFERRY, "--json", "status", "--site", "site.yaml"], cwd=self.place, capture_output=True,
                              text=True)
        return '"step":"final_data_sync"' in done.stdout.replace(" ", "")

    def start(self):
        process = subprocess.Popen(self.command, cwd=self.place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, start_new_session=True)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        wait_until("the copy began", self.copying)
        return process

    def stops_and_resumes(self, *signals):
        process = self.start()
        for number in signals:
            process.send_signal(number)
        text = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 130, text)
        run = self.runs()[-1]["run"]
        self.assertNotEqual(self.phase(), "soak")
        self.vmferry("audit", "verify")
        self.vmferry("resume", run)
        self.assertEqual(self.phase(), "soak")
        return run, text

    def test_interrupt_stops_and_prints_the_command_that_goes_on(self):
        run, text = self.stops_and_resumes(signal.SIGINT)
        self.assertIn(f"vmferry resume {run}", text)

    def test_terminate_stops_likewise(self):
        run, text = self.stops_and_resumes(signal.SIGTERM)
        self.assertIn(f"vmferry resume {run}", text)

    def test_a_second_signal_leaves_at_once_with_a_journal_that_goes_on(self):
        self.stops_and_resumes(signal.SIGINT, signal.SIGINT)

    def test_a_soak_that_is_left_is_not_done(self):
        with open(os.path.join(self.place, "customer-analytics-api-in-full.yaml"), encoding="utf-8") as file:
            self.assertIn("rollbackCriteria", file.read())
        self.command[2] = "customer-analytics-api-in-full.yaml"
        process = self.start()
        wait_until("it soaks", lambda: self.phase() == "soak")
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 130, text)
        self.assertIn("nobody watches its criteria", text)

    def test_status_says_that_nobody_works_on_a_run_that_was_killed(self):
        process = self.start()
        run = self.runs()[-1]["run"]
        self.assertNotIn("nobody works on it", self.vmferry("status", run))
        process.kill()
        process.communicate(timeout=60)
        self.assertIn("nobody works on it", self.vmferry("status"))
        details = self.vmferry("status", run)
        self.assertIn(f"vmferry resume {run} --site site.yaml", details)
        self.assertIn(f"vmferry rollback {run} --site site.yaml", details)

    def test_an_engine_that_does_not_answer_is_reported_and_drops_what_it_was_asked(self):
        process = self.start()
        run = self.runs()[-1]["run"]
        process.send_signal(signal.SIGSTOP)
        try:
            done = subprocess.run([VMFERRY, "rollback", run, "--site", "site.yaml", "--reason", "it hangs"],
                                  cwd=self.place, capture_output=True, text=True, timeout=120)
        finally:
            process.send_signal(signal.SIGCONT)
        self.assertEqual(done.returncode, 14, done.stdout + done.stderr)
        self.assertIn(f"held by pid {process.pid}", done.stderr)
        text = process.communicate(timeout=60)[0]
        self.assertEqual(process.returncode, 0, text)
        self.assertEqual(self.phase(), "soak")

    def test_a_lost_terminal_does_not_stop_a_run(self):
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.place)
            os.execv(VMFERRY, self.command)
        # Read as a terminal does, until the copy is under way; then the connection is gone.
        os.set_blocking(terminal, False)
        shown = b""

        def read_until_copying():
            nonlocal shown
            try:
                shown += os.read(terminal, 65536)
            except BlockingIOError:
                pass
            return self.copying()

        wait_until("the copy began", read_until_copying)
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
        self.assertIn(b"customer-analytics-api", shown)
        self.assertTrue(os.WIFEXITED(status), f"ended by signal {os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}")
        self.assertEqual(os.WEXITSTATUS(status), 0)
        self.assertEqual(self.phase(), "soak")


if __name__ == "__main__":
    unittest.main(verbosity=2)
