# SPDX-License-Identifier: Apache-2.0
"""A wave of three applications, one of which is sick on KVM: two move, one goes back, the journal tells all stories."""
import unittest

from labtest import LabTest


class Wave(LabTest):
    apps = 3
    options = ["--variant", "app2=sick-on-kvm"]

    def test_two_move_and_the_sick_one_goes_back(self):
        for app in (1, 2, 3):
            self.record(f"before-{app}", app)
        ran = self.vmferry("run", "wave.yaml", "--site", "site.yaml", expect=10)
        self.served_by(1, "QEMU")
        self.served_by(2, "VMware")
        self.served_by(3, "QEMU")
        for app in (1, 2, 3):
            self.assertIn(f"before-{app}", self.records(app))
        self.assertEqual(sorted(self.domains()), ["app1", "app3"])
        self.assertIn("smoke_test", ran.text)
        self.assertIn("503", ran.text)
        self.assertIn("finished copy kept", ran.text)
        self.the_journal_tells_three_stories()

    def the_journal_tells_three_stories(self):
        run = self.last_run()
        for app, ending in (("app1", "soak"), ("app2", "rolled back"), ("app3", "soak")):
            story = self.vmferry("audit", "show", run, "--app", app, "--site", "site.yaml").text
            self.assertIn(f"-> {ending}", story)
            others = {"app1", "app2", "app3"} - {app}
            self.assertFalse([o for o in others if f"  {o} " in story])
        self.vmferry("audit", "verify", "--site", "site.yaml")


if __name__ == "__main__":
    unittest.main(verbosity=2)
