# SPDX-License-Identifier: Apache-2.0
"""What the target took since cutover: after a rollback it is in the saved delta, and the reported commands read it."""
import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest

from labtest import LabTest, wait_until


class RollbackData(LabTest):
    def test_1_the_plan_says_what_going_back_loses(self):
        steps = self.planned()
        self.assertTrue(all(step["loses"] for step in steps.values() if step["effect"]))
        self.assertEqual(steps["quiesce_application"]["loses"], "none")
        self.assertIn("kept on the target", steps["power_on_target"]["loses"])
        self.discarding()
        self.assertIn("DISCARDED", self.planned("discard.yaml")["power_on_target"]["loses"])
        self.assertIn("DISCARDED", self.vmferry("plan", "discard.yaml", "--site", "site.yaml").text)

    def test_2_a_record_written_after_cutover_is_in_the_delta(self):
        ended = self.there_and_back("first-since-cutover")
        self.assertNotIn("first-since-cutover", self.records())
        data = self.application()["dataSinceCutover"]
        self.assertEqual(data["writes"], "kept")
        self.assertEqual(len(data["delta"]), 1)
        delta = data["delta"][0]
        self.assertEqual(delta["stopped"], "shut down")
        self.assertTrue(os.path.isfile(delta["path"]) and os.path.isfile(delta["backing"]), delta)
        self.assertGreater(delta["sizeBytes"], 0)
        for text in (ended.text, self.vmferry("status", self.last_run(), "--site", "site.yaml").text):
            self.assertIn(" ".join(delta["mount"]), text)
            self.assertIn(" ".join(delta["attach"]), text)
        self.assertTrue(self.holds(delta, "first-since-cutover"))
        self.assertFalse(self.holds(delta, "a record that nobody wrote"), "the search finds anything")
        type(self).first = delta

    def test_3_the_delta_comes_before_the_source(self):
        undone = [e["payload"]["name"] for e in self.events(self.last_run()) if e["kind"] in ("undo intent", "undo outcome")]
        self.assertEqual(undone.count("quiesce_application"), 2)
        self.assertLess(undone.index("power_on_target") + 1, undone.index("quiesce_application"))
        kept = next(e for e in self.events(self.last_run())
                    if e["kind"] == "undo outcome" and e["payload"]["name"] == "power_on_target")
        self.assertEqual(kept["payload"]["facts"]["delta"], [self.first])

    def test_4_the_command_that_mounts_it_works(self):
        if not self.env.get("INSPECTION_KERNEL") and os.geteuid() != 0:
            self.skipTest("libguestfs has no kernel that may be read here")
        if not os.path.exists("/dev/fuse") or shutil.which("guestmount") is None:
            self.skipTest("no FUSE or no guestmount here")
        folder = tempfile.mkdtemp(dir=self.place)
        words = list(self.first["mount"])
        self.assertEqual(words[-2:], ["-i", "/mnt"])
        words[-2:] = ["-m", "/dev/sda", folder]  # the lab's guest is no distribution, and its disk has no partitions
        environment = dict(os.environ, LIBGUESTFS_BACKEND="direct", LIBGUESTFS_BACKEND_SETTINGS="force_tcg",
                           SUPERMIN_KERNEL=self.env.get("INSPECTION_KERNEL", ""))
        if not environment["SUPERMIN_KERNEL"]:
            del environment["SUPERMIN_KERNEL"]
        subprocess.run(words, env=environment, check=True, timeout=300)
        self.addCleanup(subprocess.run, ["guestunmount", folder], check=True)
        files = [os.path.join(place, name) for place, _, names in os.walk(folder) for name in names]
        self.assertEqual(len([path for path in files if self.mentions(path)]), 1, files)
        with self.assertRaises(OSError):
            open(os.path.join(folder, "written-by-the-test"), "wb").close()

    def mentions(self, path):
        with open(path, "rb") as file:
            return b"first-since-cutover\n" in file.read()

    def test_5_a_second_run_leaves_the_first_delta_alone(self):
        before = self.digest(self.first["path"])
        self.there_and_back("second-since-cutover")
        delta = self.application()["dataSinceCutover"]["delta"][0]
        self.assertNotEqual(delta["path"], self.first["path"])
        self.assertNotEqual(delta["backing"], self.first["backing"])
        self.assertEqual(self.digest(self.first["path"]), before)
        self.assertTrue(self.holds(delta, "second-since-cutover"))
        self.assertFalse(self.holds(delta, "first-since-cutover"), "it began with the source's data")
        self.assertTrue(self.holds(self.first, "first-since-cutover"))

    def test_6_discarded_there_is_no_delta(self):
        self.discarding()
        before = [v for v in self.volumes() if "overlay" in v]
        ended = self.there_and_back("discarded-since-cutover", "discard.yaml")
        self.assertIn("was discarded, as the runbook says", ended.text)
        self.assertEqual([v for v in self.volumes() if "overlay" in v], before)
        self.assertEqual(self.application()["dataSinceCutover"], {"writes": "discarded", "delta": []})
        self.assertNotIn("discarded-since-cutover", self.records())

    # --- what they share ---

    def planned(self, runbook="app1.yaml"):
        plan = self.vmferry("--json", "plan", runbook, "--site", "site.yaml").of("plan")[0]
        return {step["name"]: step for step in plan["steps"]}

    def discarding(self):
        with open(self.path("discard.yaml"), "w", encoding="utf-8") as file:
            file.write(self.read(self.path("app1.yaml")) + "rollBackData: discard\n")

    def there_and_back(self, record, runbook="app1.yaml"):
        self.vmferry("run", runbook, "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.record(record)
        self.assertIn(record, self.records())
        ended = self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        self.served_by(1, "VMware")
        self.assertEqual(self.domains(), [])
        return ended

    def digest(self, path):
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()

    def holds(self, delta, record):
        """Whether the record is on the disk, as the reported command attaches it; a socket needs no privileges."""
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            end, copy = os.path.join(folder, "nbd"), os.path.join(folder, "disk.raw")
            self.assertIn("--connect=/dev/nbd0", delta["attach"])
            words = [f"--socket={end}" if word.startswith("--connect=") else word for word in delta["attach"]]
            with subprocess.Popen([*words, "--persistent"]) as server:
                try:
                    wait_until("the delta is served", lambda: server.poll() is not None or os.path.exists(end))
                    subprocess.run(["qemu-img", "convert", "-O", "raw", f"nbd+unix:///?socket={end}", copy], check=True)
                finally:
                    server.terminate()
            with open(copy, "rb") as disk:
                return f"{record}\n".encode() in disk.read()


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
