# SPDX-License-Identifier: Apache-2.0
"""Backups before and after the move, on a real restic repository; the platforms are the in-memory world's."""
import datetime
import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

from labtest import LAB, VMFERRY, Outcome, wait_until

EMBEDDED = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))),
                        "runbooks", "examples", "embedded")
APPLICATION = "customer-analytics-api"
ABORTED, ROLLED_BACK = 3, 10

SERVICE = """    repository:
      plugin: restic
      repository: {RESTIC_REPOSITORY}
      password: file:{RESTIC_PASSWORD_FILE}
      workDirectory: {RESTIC_WORK}
"""


class Backup(unittest.TestCase):
    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="vmferry-e2e.")
        self.addCleanup(shutil.rmtree, self.place, True)
        state = os.path.join(self.place, "lab")
        self.addCleanup(subprocess.run, [LAB, "stop", "--state", state], check=False)
        subprocess.run([LAB, "start", "--state", state, "--only", "restic"], check=True)
        with open(os.path.join(state, "env"), encoding="utf-8") as lines:
            self.env = {name: value.strip("'") for name, value in (line.rstrip("\n").split("=", 1) for line in lines)}
        with open(self.env["RESTIC_PASSWORD_FILE"], encoding="utf-8") as file:
            self.password = file.read().strip()
        shutil.copy(os.path.join(EMBEDDED, "world.json"), self.place)
        self.write_site()

    def write_site(self, environment=None):
        """The embedded example's site without its slow disks, and the restic repository."""
        with open(os.path.join(EMBEDDED, "site.yaml"), encoding="utf-8") as file:
            text = file.read().replace(", bytesPerSecond: 16777216", "")
        self.assertIn("  networks:\n", text)
        text = text.replace("  networks:\n", SERVICE.format(**(environment or self.env)) + "  networks:\n")
        with open(os.path.join(self.place, "site.yaml"), "w", encoding="utf-8") as file:
            file.write(text)

    def write_runbook(self, before="", after=""):
        with open(os.path.join(EMBEDDED, APPLICATION + ".yaml"), encoding="utf-8") as file:
            text = file.read()
        self.assertIn("cutoverSteps:\n", text)
        if before:
            text = text.replace("cutoverSteps:\n", f"  - {before}\ncutoverSteps:\n")
        if after:
            text += f"postChecks:\n  - {after}\n"
        with open(os.path.join(self.place, "runbook.yaml"), "w", encoding="utf-8") as file:
            file.write(text)

    def newest(self, integrity="checksum", **more):
        parameters = {"backup": "repository", "sourceHost": "app1", "sourcePaths": [self.env["APP1_DATA"]],
                      "integrity": integrity, **more}
        return "backup_success_last_24h: " + json.dumps(parameters)

    def job(self, verify="restore", **more):
        parameters = {"backup": "repository", "targetHost": "app1-kvm", "targetPaths": [self.env["APP1_DATA"]],
                      "targetTags": ["migrated"], "verify": verify, **more}
        return "backup_job_succeeds: " + json.dumps(parameters)

    def vmferry(self, *arguments, expect=0):
        process = self.start(*arguments)
        text, _ = process.communicate(timeout=240)
        self.assertEqual(process.returncode, expect, f"vmferry {' '.join(arguments)} printed:\n{text}")
        self.assertNotIn(self.password, text)
        return Outcome(process.returncode, text)

    def start(self, *arguments):
        return subprocess.Popen([VMFERRY, *arguments, "--site", "site.yaml"], cwd=self.place, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def run_it(self, expect, *words):
        ran = self.vmferry("run", "runbook.yaml", expect=expect)
        for word in words:
            self.assertIn(word, ran.text)
        return ran

    def aborted(self, *words):
        self.run_it(ABORTED, "backup_success_last_24h", "nothing touched", *words)

    def last_run(self):
        return self.vmferry("--json", "status").of("run")[-1]["run"]

    def trail(self):
        return self.vmferry("--json", "audit", "show", self.last_run()).text

    def restic(self, *arguments):
        return subprocess.run(["restic", "--repo", self.env["RESTIC_REPOSITORY"], "--password-file",
                               self.env["RESTIC_PASSWORD_FILE"], "--no-cache", "--json", *arguments], check=True,
                              capture_output=True, text=True).stdout

    def snapshots(self, host):
        return json.loads(self.restic("snapshots", "--host", host)) or []

    def packs(self):
        found = []
        for folder, _, names in os.walk(os.path.join(self.env["RESTIC_REPOSITORY"], "data")):
            found += [os.path.join(folder, name) for name in names]
        return sorted(found, key=os.path.getsize)

    def flip(self, pack):
        os.chmod(pack, 0o600)
        with open(pack, "r+b") as file:
            file.seek(os.path.getsize(pack) // 2)
            byte = file.read(1)
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([byte[0] ^ 0x55]))

    def work_left(self):
        return [name for name in os.listdir(self.env["RESTIC_WORK"]) if name != "cache"]


class BeforeTheMove(Backup):
    def test_a_good_young_backup_is_evidence(self):
        for integrity in ("structure", "list", "checksum"):
            with self.subTest(integrity):
                self.write_runbook(before=self.newest(integrity))
                self.run_it(0, "soak")
                trail = self.trail()
                for word in (self.snapshots("app1")[0]["id"], "sizeBytes", "ageMs", integrity):
                    self.assertIn(word, trail)
                self.assertEqual(self.work_left(), [])
                self.vmferry("rollback", self.last_run(), "--reason", "next test")
        self.assertEqual(len(self.snapshots("app1")), 1)

    def test_a_dry_run_tells_the_backup_and_begins_nothing(self):
        self.write_runbook(before=self.newest(), after=self.job())
        planned = self.vmferry("plan", "runbook.yaml")
        for word in (self.snapshots("app1")[0]["id"], "finished backup is evidence"):
            self.assertIn(word, planned.text)
        self.assertEqual(os.listdir(self.env["RESTIC_WORK"]), [])
        self.assertEqual(self.snapshots("app1-kvm"), [])

    def test_no_backup(self):
        self.write_runbook(before=self.newest(sourceHost="somebody-else"))
        self.aborted("there is no successful backup", "somebody-else")

    def test_a_stale_backup(self):
        self.restic("forget", self.snapshots("app1")[0]["id"])
        then = datetime.datetime.now() - datetime.timedelta(hours=25)
        self.restic("backup", "--host", "app1", "--time", then.strftime("%Y-%m-%d %H:%M:%S"), self.env["APP1_DATA"])
        self.write_runbook(before=self.newest())
        self.aborted("25h", "old, more than 24h")

    def test_a_damaged_pack(self):
        self.flip(self.packs()[-1])
        self.write_runbook(before=self.newest("checksum"))
        self.aborted("does not pass its check (checksum)", self.env["RESTIC_REPOSITORY"])

    def test_a_lost_pack(self):
        os.remove(self.packs()[-1])
        self.write_runbook(before=self.newest("structure"))
        self.aborted("does not pass its check (structure)")

    def test_a_wrong_password(self):
        wrong = os.path.join(self.place, "wrong")
        with open(wrong, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("not-the-password\n")
        self.write_site({**self.env, "RESTIC_PASSWORD_FILE": wrong})
        self.write_runbook(before=self.newest())
        self.aborted("denied", "wrong password")

    def test_an_unreachable_repository(self):
        self.write_site({**self.env, "RESTIC_REPOSITORY": self.env["RESTIC_REPOSITORY"] + "-unmounted"})
        self.write_runbook(before=self.newest())
        self.aborted("not found", "-unmounted")


class AfterTheMove(Backup):
    def test_each_depth_proves_the_backup(self):
        for count, verify in enumerate(("list", "checksum", "restore"), start=1):
            with self.subTest(verify):
                self.write_runbook(after=self.job(verify))
                self.run_it(0, "soak")
                made = self.snapshots("app1-kvm")
                self.assertEqual(len(made), count)
                self.assertTrue(all("migrated" in snapshot["tags"] for snapshot in made))
                self.assertIn(made[-1]["id"], self.trail())
                self.assertEqual(self.work_left(), [])
                self.vmferry("rollback", self.last_run(), "--reason", "next test")
                self.assertEqual(len(self.snapshots("app1-kvm")), count, "a rollback leaves the backup")

    def test_what_cannot_be_backed_up_rolls_back(self):
        self.write_runbook(after=self.job(targetPaths=["/nowhere/at/all"]))
        self.run_it(ROLLED_BACK, "backup_job_succeeds", "/nowhere/at/all")
        self.assertEqual(self.snapshots("app1-kvm"), [])

    def test_a_damaged_backup_rolls_back(self):
        # The data is in the repository already, so that the new backup refers to the damaged pack.
        self.flip(self.packs()[-1])
        for verify in ("checksum", "restore"):
            with self.subTest(verify):
                self.write_runbook(after=self.job(verify))
                self.run_it(ROLLED_BACK, "backup_job_succeeds", f"does not pass its check ({verify})")
                self.assertEqual(self.work_left(), [])

    def test_killed_while_the_backup_runs(self):
        """The backup goes on without vmferry, and the resume finds it: there is one backup in the end."""
        with open(os.path.join(self.env["APP1_DATA"], "large"), "wb") as file:
            for _ in range(64):
                file.write(os.urandom(1 << 20))
        self.write_runbook(after=self.job("list"))
        process = self.start("run", "runbook.yaml")
        locks = os.path.join(self.env["RESTIC_REPOSITORY"], "locks")  # vmferry's reading takes none
        wait_until("the backup began", lambda: os.listdir(locks) or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        text, _ = process.communicate()
        self.assertEqual(process.returncode, -signal.SIGKILL, text)
        wait_until("the backup ended by itself", lambda: self.snapshots("app1-kvm"))
        self.vmferry("resume", self.last_run())
        made = self.snapshots("app1-kvm")
        self.assertEqual(len(made), 1)
        self.assertIn(made[0]["id"], self.trail())
        self.assertEqual(self.work_left(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
