# SPDX-License-Identifier: Apache-2.0
"""validate_guest_tools_and_drivers with libguestfs itself: drivers that are missing send the run back, drivers that are
there let it go on, and of disks that tell nothing it says so and does what the runbook wants.

The first disk is the lab's guest, which starts on either side. The second is a small Debian that is only looked into.
"""
import json
import os
import shutil
import subprocess
import tempfile
import unittest

from labtest import LAB, LabTest

MAKE_DEBIAN = os.path.join(os.path.dirname(LAB), "make-debian.sh")
STEP = "validate_guest_tools_and_drivers"
ROLLED_BACK, NEEDS_A_PERSON = 10, 13
KERNEL = "6.1.0-18-amd64"
# As installed on VMware: what it starts with there is in the initramfs. One driver is on the disk only, one nowhere.
OLD = {"initramfs": "ahci sd_mod vmw_pvscsi", "loadable": "ahci sd_mod vmw_pvscsi vmxnet3 virtio_pci virtio_net",
       "packages": "linux-base=4.9 open-vm-tools=2:12.2.0-1"}
# Made ready for KVM.
READY = {"builtin": "virtio_pci", "initramfs": "virtio_blk vmw_pvscsi", "loadable": "virtio_blk virtio_net vmxnet3",
         "packages": "qemu-guest-agent=1:7.2-7"}


class GuestDrivers(LabTest):
    apps = 3  # the third has no Debian

    @classmethod
    def setUpClass(cls):
        images = tempfile.mkdtemp(prefix="vmferry-guests.")
        cls.addClassCleanup(shutil.rmtree, images, True)
        cls.options = []
        for app, image in (("app1", OLD), ("app2", READY)):
            file = os.path.join(images, f"{app}.raw")
            options = [word for name, words in image.items() for word in (f"--{name}", words)]
            subprocess.run([MAKE_DEBIAN, *options, file], check=True)
            cls.options += ["--disk2", f"{app}={file}"]
        super().setUpClass()
        with open(os.path.join(cls.place, "site.yaml"), encoding="utf-8") as file:
            site = file.read()
        kernel = cls.env["INSPECTION_KERNEL"]
        guests = f"    guests: {{plugin: libguestfs, emulate: true{', kernel: ' + kernel if kernel else ''}}}\n"
        with open(os.path.join(cls.place, "site.yaml"), "w", encoding="utf-8") as file:
            file.write(site.replace("  services:\n", "  services:\n" + guests))

    def runbook(self, app, *settings):
        """Moves the application, with the step before its start."""
        text = self.read(self.path(f"app{app}.yaml"))
        check = "  - %s: {%s}\n" % (STEP, ", ".join(["inspector: guests", *settings]))
        text = text.replace("  - power_on_target\n", check + "  - power_on_target\n")
        with open(self.path("checked.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        return ["run", "checked.yaml", "--site", "site.yaml"]

    def source(self, app):
        """All that is known of the VM, but for what every start changes."""
        vm = self.vm(f"app{app}")
        return {key: vm[key] for key in vm if key not in ("change_version", "boot_time", "port", "pid")}

    def outcome(self):
        """The step's last outcome in the audit trail."""
        return [event["payload"] for event in self.events(self.last_run())
                if event["kind"] == "outcome" and event["payload"].get("name") == STEP][-1]

    def goes_back(self, app, ran, *words):
        """It failed in this step and for this reason alone, and everything is as it was."""
        told = " ".join(ran.text.split())
        outcome = self.outcome()
        self.assertEqual(outcome["result"], "failed")
        for word in words:
            self.assertIn(word, told)
            self.assertIn(word, json.dumps(outcome["error"]))
        failed = [event["payload"]["name"] for event in self.events(self.last_run())
                  if event["kind"] == "outcome" and event["payload"]["result"] == "failed"]
        self.assertEqual(failed, [STEP])
        begun = {event["payload"]["name"] for event in self.events(self.last_run()) if event["kind"] == "intent"}
        self.assertFalse(begun & {"power_on_target", "update_load_balancer"}, begun)
        self.assertNotIn(f"app{app}", self.domains())
        self.served_by(app, "VMware")
        self.assertIn(f"written by app{app}", self.records(app))
        servers = self.lb(f"app{app}")
        self.assertTrue(servers["vmware"].startswith("UP"), servers)
        self.assertTrue(servers["kvm"].startswith("MAINT"), servers)

    def goes_on(self, app):
        """The step passed, and the application is on the target with its data; the facts that are journaled."""
        self.served_by(app, "QEMU")
        self.assertIn(f"written by app{app}", self.records(app))
        outcome = self.outcome()
        self.assertEqual(outcome["result"], "done")
        return outcome["facts"]

    # --- the drivers are missing ---

    def test_1_missing_drivers_send_the_run_back(self):
        self.record("written by app1", 1)
        before = self.source(1)
        run = self.runbook(1)
        planned = self.vmferry("plan", *run[1:]).text
        self.assertIn("drivers and guest agent; when it cannot be told: fail", " ".join(planned.split()))
        ran = self.vmferry(*run, seconds=600, expect=ROLLED_BACK)
        missing = f"kernel {KERNEL} has no driver virtio_blk and has virtio_pci outside its initramfs"
        self.goes_back(1, ran, "guest of app1", missing,
                       "install the drivers and rebuild the initramfs on the source (`update-initramfs -u`, `dracut`)",
                       "or choose devices that the guest knows (convert_image: diskBus, nicModel)")
        self.assertEqual(self.outcome()["error"]["message"], missing, "nothing else is held against it")
        self.assertEqual(self.source(1), before)

    # --- the drivers are there ---

    def test_2_drivers_that_are_there(self):
        self.record("written by app2", 2)
        self.vmferry(*self.runbook(2, "guestAgent: required"), seconds=600)
        facts = self.goes_on(2)
        self.assertEqual(facts["verdict"], "drivers present")
        self.assertEqual(facts["unknown"], [])
        self.assertEqual(facts["kernels"], [{"kernel": KERNEL, "drivers": ["virtio_blk", "virtio_pci"]}])
        self.assertEqual(facts["agents"], ["qemu-guest-agent 7.2"])
        self.assertEqual((facts["vmwareTools"], facts["notes"]), ([], []))
        self.assertIn("<target dev='vdb' bus='virtio'/>", self.virsh("dumpxml", "app2"))

    # --- nothing can be told ---

    def test_3_what_cannot_be_told_is_no_yes(self):
        self.record("written by app3", 3)
        before = self.source(3)
        ran = self.vmferry(*self.runbook(3), seconds=600, expect=ROLLED_BACK)
        self.goes_back(3, ran, "it cannot be told whether the guest has the drivers it needs: ", "no operating system",
                       "find out by a test start of a copy; then say `whenUnknown: hold` or `accept`")
        self.assertEqual(self.source(3), before)

    def test_4_hold_waits_for_a_person(self):
        ran = self.vmferry(*self.runbook(3, "whenUnknown: hold"), seconds=600, expect=NEEDS_A_PERSON)
        self.assertIn("resume to go on all the same, or roll back", " ".join(ran.text.split()))
        self.assertNotIn("app3", self.domains())
        self.vmferry("resume", self.last_run(), "--site", "site.yaml", seconds=600)
        facts = self.goes_on(3)
        self.assertEqual(facts["verdict"], "cannot tell, accepted")
        self.assertIn("no operating system", facts["unknown"][0])
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "next test")
        self.served_by(3, "VMware")


if __name__ == "__main__":
    unittest.main(verbosity=2)
