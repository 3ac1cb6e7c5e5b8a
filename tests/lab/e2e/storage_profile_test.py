# SPDX-License-Identifier: Apache-2.0
"""attach_target_storage_profile: what it attaches is in the running domain's XML, its room is held and given back."""
import re
import unittest

from labtest import LabTest, wait_until

PROFILE = """  - attach_target_storage_profile:
      storagePools: [{pool}]
      cache: none
      io: native
      discard: ignore
      reservePercent: {percent}
"""


class StorageProfile(LabTest):
    options = ["--disk2", "app1=24"]

    def runbook(self, percent=100, pool=None):
        text = self.read(self.path("app1.yaml"))
        profile = PROFILE.format(pool=pool or self.env["POOL"], percent=percent)
        with open(self.path("profile.yaml"), "w", encoding="utf-8") as file:
            file.write(text.replace("  - power_on_target\n", profile + "  - power_on_target\n"))
        return "profile.yaml"

    def drivers(self):
        return re.findall(r"<driver name='qemu' type='qcow2'([^/]*)/>", self.virsh("dumpxml", "app1"))

    def reserved(self):
        return [volume for volume in self.volumes() if volume.endswith(".reserve")]

    def test_1_a_wrong_profile_is_a_diagnostic(self):
        name = self.runbook()
        text = self.read(self.path(name)).replace("cache: none", "cache: writeback")
        with open(self.path("wrong.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        wrong = self.vmferry("plan", "wrong.yaml", "--site", "site.yaml", expect=3)
        self.assertRegex(wrong.text, r"wrong\.yaml:\d+:\d+: error: .*`io: native` needs `cache: none`")

    def test_2_the_dry_run_names_the_wrong_pool(self):
        other = self.vmferry("plan", self.runbook(pool="gold"), "--site", "site.yaml", expect=3)
        self.assertIn("the profile is for gold", other.text)
        self.assertEqual(self.volumes(), [])

    def test_3_arrives_in_the_running_domain(self):
        self.vmferry("run", self.runbook(), "--site", "site.yaml")
        self.served_by(1, "QEMU")
        drivers = self.drivers()
        self.assertEqual(len(drivers), 2)
        for driver in drivers:
            for setting in ("cache='none'", "io='native'", "discard='ignore'"):
                self.assertIn(setting, driver)
        self.assertEqual(len(self.reserved()), 1)
        info = self.virsh("vol-info", "--bytes", "--pool", self.env["POOL"], self.reserved()[0])
        sizes = dict(re.findall(r"(\w+):\s+(\d+) bytes", info))
        self.assertEqual(int(sizes["Capacity"]), (48 + 24) << 20)
        self.assertLess(int(sizes["Allocation"]), 1 << 20)

    def test_4_rollback_gives_the_room_back(self):
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        self.served_by(1, "VMware")
        self.assertEqual(self.reserved(), [])

    def test_5_commit_gives_the_room_back_too(self):
        self.vmferry("run", self.runbook(percent=25), "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.assertEqual(len(self.reserved()), 1)
        self.vmferry("commit", self.last_run(), "--site", "site.yaml")
        self.assertEqual(self.reserved(), [])
        for driver in self.drivers():
            self.assertIn("cache='none'", driver)
        wait_until("the application is served", lambda: self.whoami(self.url())["vendor"] == "QEMU")


if __name__ == "__main__":
    unittest.main(verbosity=2)
