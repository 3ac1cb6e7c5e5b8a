# SPDX-License-Identifier: Apache-2.0
"""Killed ten times at random moments, on the way there and back; each time it goes on where it was.

VMFERRY_SEED repeats the moments (not what the machine had done until then); it is printed.
"""
import os
import random
import signal
import time
import unittest

from labtest import LabTest

KILLS = 10
LONGEST = {"run": 12, "rollback": 8}  # seconds within which a kill comes; about what it takes undisturbed here


class Kill(LabTest):
    def setUp(self):
        seed = int(os.environ.get("VMFERRY_SEED") or time.time())
        print(f"VMFERRY_SEED={seed}")
        self.dice, self.kills, self.began = random.Random(seed), 0, time.monotonic()

    def state(self):
        """Phase and activity of the application in the last run; of nothing when no run is journaled yet."""
        runs = self.vmferry("--json", "status", "--site", "site.yaml", expect=None).of("run")
        if not runs:
            return None, None
        application = runs[-1]["applications"][0]
        return application["phase"], application["activity"]

    def order(self, way):
        """What to ask for: the kill may have come before the order was journaled."""
        phase, activity = self.state()
        asked = {"run": phase not in (None, "rolled back", "aborted"),
                 "rollback": (phase, activity) != ("soak", "working")}[way]
        if not asked and way == "run":
            return ["run", "app1.yaml", "--site", "site.yaml"]
        if not asked:
            return ["rollback", self.last_run(), "--site", "site.yaml", "--reason", "there and back"]
        return ["resume", self.last_run(), "--site", "site.yaml"]

    def killed(self, order, longest):
        """Starts it and kills it; False if it ended first, and then well."""
        process = self.start(*order)
        time.sleep(self.dice.uniform(0, longest))
        process.kill()
        text, _ = process.communicate()
        hit = process.returncode == -signal.SIGKILL
        self.kills += hit
        seen = (order[0], "killed" if hit else f"exit {process.returncode}", *self.state())
        print(f"{time.monotonic() - self.began:5.1f} s  {seen}", flush=True)
        if not hit:
            self.assertIn(process.returncode, (0, 10), text)  # 10: a resume that ends a rollback
        return hit

    def go(self, way, most):
        """The way there ("run") or back, killed at most so many times, then undisturbed to its end."""
        longest = LONGEST[way]
        for _ in range(most):
            if not self.killed(self.order(way), longest) or self.there(way):
                break
            longest *= 0.8  # a part of the way is done
            self.not_both()
            self.vmferry("audit", "verify", "--site", "site.yaml", expect=None if self.state()[0] is None else 0)
        if not self.there(way):
            ended = self.vmferry(*self.order(way), expect=None)
            self.assertTrue(self.there(way), f"{self.state()}, exit {ended.code}:\n{ended.text}")
        vendor = {"run": "QEMU", "rollback": "VMware"}[way]
        self.served_by(1, vendor)
        self.assertEqual([name for name, on in self.running().items() if on], [vendor])
        self.assertIn("before-the-kills", self.records())
        self.vmferry("audit", "verify", "--site", "site.yaml")

    def there(self, way):
        return self.state() == {"run": ("soak", "working"), "rollback": ("rolled back", "working")}[way]

    def running(self):
        return {"VMware": self.vm()["power_state"] == "poweredOn",
                "QEMU": bool(self.virsh("list", "--name").split())}

    def not_both(self):
        self.assertFalse(all(self.running().values()), "source and target both run")

    def test_killed_ten_times(self):
        self.record("before-the-kills")
        self.go("run", 4)
        self.go("rollback", 3)
        while self.kills < KILLS:
            self.go("run", KILLS - self.kills)
            if self.kills < KILLS:
                self.go("rollback", KILLS - self.kills)
        self.assertEqual(self.kills, KILLS)


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
