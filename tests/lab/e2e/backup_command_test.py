# SPDX-License-Identifier: Apache-2.0
"""A backup product that vmferry has no code for: BorgBackup, by the plugin backup_command and the program
tests/lab/borg-backup. The repositories are real; the platforms are the in-memory world's."""
import datetime
import filecmp
import glob
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import backup_test
from backup_test import ROLLED_BACK
from labtest import LAB

SERVICE = """    repository:
      plugin: backup_command
      command: [{PROGRAM}, {REPOSITORY}, {WORK}]
      environment: {{BORG_PASSPHRASE: "file:{PASSWORD_FILE}"}}
"""
CHECKSUM_MISMATCH = "Data integrity error: Segment entry checksum mismatch [segment "  # borg's words


class Borg(backup_test.Backup):
    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="vmferry-e2e.")
        self.addCleanup(shutil.rmtree, self.place, True)
        at = {name: os.path.join(self.place, name) for name in ("repository", "work", "data", "password")}
        self.env = {"PROGRAM": os.path.join(os.path.dirname(LAB), "borg-backup"), "REPOSITORY": at["repository"],
                    "WORK": at["work"], "APP1_DATA": at["data"], "PASSWORD_FILE": at["password"]}
        self.password = os.urandom(12).hex()
        with open(at["password"], "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(self.password)
        os.mkdir(at["data"])
        for name, content in (("order 1", b"one"), ("blob", os.urandom(3 << 20))):
            with open(os.path.join(at["data"], name), "wb") as file:
                file.write(content)
        self.borg("init", "--encryption", "repokey", at["repository"])
        self.back_up("app1@nightly")
        shutil.copy(os.path.join(backup_test.EMBEDDED, "world.json"), self.place)
        self.write_site()

    # --- borg as the test sees it: its own settings and cache ---

    def borg(self, *words, folder=None):
        environment = {**os.environ, "BORG_BASE_DIR": os.path.join(self.place, "borg"),
                       "BORG_PASSPHRASE": self.password, "TZ": "UTC"}
        return subprocess.run(["borg", *words], check=True, capture_output=True, text=True, env=environment,
                              cwd=folder).stdout

    def back_up(self, name, *options):
        self.borg("create", *options, "--comment", "daily\n" + self.env["APP1_DATA"],
                  f"{self.env['REPOSITORY']}::{name}", self.env["APP1_DATA"])

    def archives(self, pattern):
        """Unfinished ones too, newest last."""
        return json.loads(self.borg("info", "--json", "--glob-archives", pattern, self.env["REPOSITORY"]))["archives"]

    def digests(self):
        found = {}
        for path in glob.glob(self.env["REPOSITORY"] + "/**", recursive=True):
            if os.path.isfile(path):
                with open(path, "rb") as file:
                    found[path] = hashlib.sha256(file.read()).hexdigest()
        return found

    def damage(self):
        """A byte of the largest segment, which holds the blob."""
        self.flip(max(glob.glob(self.env["REPOSITORY"] + "/data/*/*"), key=os.path.getsize))

    # --- vmferry ---

    def write_site(self, environment=None):
        with open(os.path.join(backup_test.EMBEDDED, "site.yaml"), encoding="utf-8") as file:
            text = file.read().replace(", bytesPerSecond: 16777216", "")
        self.assertIn("  networks:\n", text)
        text = text.replace("  networks:\n", SERVICE.format(**(environment or self.env)) + "  networks:\n")
        with open(os.path.join(self.place, "site.yaml"), "w", encoding="utf-8") as file:
            file.write(text)

    def outcomes(self):
        """What the steps of the last run left in the journal, in their order."""
        events = self.vmferry("--json", "audit", "show", self.last_run()).lines
        return {event["payload"]["name"]: event["payload"] for event in events if event.get("kind") == "outcome"}

    def work_left(self):
        return [name for name in os.listdir(self.env["WORK"]) if name not in ("borg", "reads", "writes")]


class BeforeTheMove(Borg):
    def test_a_good_young_backup_is_evidence(self):
        [archive], before = self.archives("app1@*"), self.digests()
        for integrity in ("structure", "list", "checksum"):
            with self.subTest(integrity):
                self.write_runbook(before=self.newest(integrity))
                self.run_it(0, "soak")
                facts = self.outcomes()["backup_success_last_24h"]["facts"]
                self.assertEqual(facts["backup"], "app1@nightly")
                self.assertEqual(facts["time"][:19], archive["start"][:19])
                self.assertEqual(facts["sizeBytes"], archive["stats"]["original_size"])
                self.assertEqual(facts["integrity"], integrity)
                self.assertTrue(0 <= facts["ageMs"] < 300000, facts)
                self.assertRegex(facts["said"], "^borg (check|list|extract) ended with code 0$")
                self.assertEqual(self.work_left(), [])
                self.vmferry("rollback", self.last_run(), "--reason", "next test")
        self.assertEqual(self.digests(), before, "a check changes nothing in the repository")

    def test_a_stale_backup(self):
        self.borg("delete", f"{self.env['REPOSITORY']}::app1@nightly")
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(hours=25)
        self.back_up("app1@old", "--timestamp", then.strftime("%Y-%m-%dT%H:%M:%S"))
        self.back_up("app1@young.part")  # is not finished, so that it does not count
        self.write_runbook(before=self.newest())
        self.aborted("the newest backup (app1@old, ", "is 25h", "old, more than 24h")

    def test_a_damaged_segment(self):
        self.damage()
        for integrity in ("structure", "checksum"):
            with self.subTest(integrity):
                self.write_runbook(before=self.newest(integrity))
                self.aborted(f"app1@nightly: corrupt: does not pass its check ({integrity}): {CHECKSUM_MISMATCH}")

    def test_a_wrong_passphrase(self):
        wrong = os.path.join(self.place, "wrong")
        with open(wrong, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("not-the-passphrase")
        self.write_site({**self.env, "PASSWORD_FILE": wrong})
        self.write_runbook(before=self.newest())
        self.aborted("denied", "exit code 12: passphrase supplied in BORG_PASSPHRASE", "is incorrect")


class AfterTheMove(Borg):
    def test_the_target_is_backed_up_and_restored(self):
        self.write_runbook(after=self.job("restore"))
        self.run_it(0, "soak")
        [archive] = self.archives("app1-kvm@*")
        outcomes = self.outcomes()
        facts, names = outcomes["backup_job_succeeds"]["facts"], list(outcomes)
        self.assertEqual((facts["backup"], facts["verified"]), (archive["name"], "restore"))
        self.assertEqual(facts["said"], "borg extract ended with code 0; 2 files restored")
        self.assertEqual(facts["sizeBytes"], archive["stats"]["original_size"])
        self.assertEqual(set(facts["tags"]), {"migrated", archive["name"].split("@")[1]})
        self.assertGreater(names.index("backup_job_succeeds"), names.index("update_load_balancer"))
        self.assertNotIn(self.password, str(archive["command_line"]))  # borg keeps its arguments
        self.assertEqual(self.work_left(), [], "the test restore is gone")
        self.vmferry("rollback", self.last_run(), "--reason", "next test")
        # The backup outlives the rollback, and it is what it says: restored by somebody else, it is the same data.
        place, data = os.path.join(self.place, "restored"), self.env["APP1_DATA"]
        os.mkdir(place)
        self.borg("extract", f"{self.env['REPOSITORY']}::{archive['name']}", folder=place)
        same, other, unread = filecmp.cmpfiles(data, place + data, os.listdir(data), shallow=False)
        self.assertEqual((sorted(same), other, unread), (["blob", "order 1"], [], []))

    def test_a_damaged_backup_rolls_back(self):
        # The data is in the repository already, so that the new backup refers to the damaged segment.
        self.damage()
        for count, verify in enumerate(("checksum", "restore"), start=1):
            with self.subTest(verify):
                self.write_runbook(after=self.job(verify))
                self.run_it(ROLLED_BACK, "backup_job_succeeds",
                            f": corrupt: does not pass its check ({verify}): {CHECKSUM_MISMATCH}")
                self.assertEqual(len(self.archives("app1-kvm@*")), count, "the backup was made, and stays")
                self.assertEqual(self.work_left(), [])

    def test_a_backup_that_is_not_whole_rolls_back(self):
        """Borg keeps an archive without what it could not read, and calls that a warning."""
        self.write_runbook(after=self.job(targetPaths=[self.env["APP1_DATA"], "/nowhere/at/all"]))
        self.run_it(ROLLED_BACK, "backup_job_succeeds", "failed: /nowhere/at/all: ", "No such file or directory")
        self.assertEqual(self.archives("app1-kvm@*"), [])
        self.assertEqual(self.work_left(), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
