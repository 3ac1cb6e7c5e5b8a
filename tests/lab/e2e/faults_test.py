# SPDX-License-Identifier: Apache-2.0
"""Bad input and faults: one clear error each, and the world as it was."""
import os
import subprocess
import unittest

from labtest import LabTest, wait_until

ABORTED, ROLLED_BACK = 3, 10


class BeforeAnythingWasChanged(LabTest):
    options = ["--duplicate", "app1"]

    def aborted(self, site, *words, runbook="app1.yaml"):
        """The run is aborted with nothing touched and an error that has the words."""
        self.control("DELETE", "/calls")
        ran = self.vmferry("--journal", self.path("faults.db"), "run", runbook, "--site", site, expect=ABORTED)
        self.assertIn("nothing touched", ran.text)
        for word in words:
            self.assertIn(word, ran.text)
        self.assertEqual(self.control("GET", "/calls")["writes"], {})
        self.served_by(1, "VMware")

    def test_wrong_password(self):
        with open(self.path("wrong"), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("not-the-password\n")
        site = self.site("wrong-password.yaml", replace=[(self.env["VC_PASSWORD_FILE"], self.path("wrong"))])
        self.aborted(site, "vm_exists", "vmware", "denied", "Login failure")

    def test_wrong_ca(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Other CA", "-keyout",
                        self.path("other.key"), "-out", self.path("other.pem")], check=True, capture_output=True)
        site = self.site("wrong-ca.yaml", replace=[(self.env["VC_CA"], self.path("other.pem"))])
        self.aborted(site, "certificate", self.env["VC_URL"], "thumbprint")

    def test_pinned_thumbprint_and_a_wrong_one(self):
        ca = f"caFile: {self.env['VC_CA']}"
        pinned = self.site("pinned.yaml", replace=[(ca, f'thumbprint: "{self.env["VC_THUMBPRINT"]}"')])
        self.vmferry("plan", "app1.yaml", "--site", pinned)
        wrong = self.site("wrong-thumbprint.yaml", replace=[(ca, 'thumbprint: "' + ":".join(["AB"] * 32) + '"')])
        self.aborted(wrong, "thumbprint")

    def test_host_unreachable(self):
        site = self.site("unreachable.yaml", replace=[(self.env["VC_URL"], "https://127.0.0.1:1/sdk")])
        self.aborted(site, "vm_exists", "127.0.0.1:1", "refused")

    def test_vm_missing(self):
        site = self.site("missing.yaml", replace=[(self.env["APP1_VM_PATH"], "/DC0/vm/nowhere")])
        self.aborted(site, "/DC0/vm/nowhere", "not found")

    def test_vm_name_twice_in_two_folders(self):
        site = self.site("twice.yaml", replace=[(f"vm: {self.env['APP1_VM_PATH']}", "vm: app1")])
        self.aborted(site, self.env["APP1_VM_PATH"], self.env["APP1_DUPLICATE_VM_PATH"])

    def test_target_name_taken(self):
        with open(self.path("taken.xml"), "w", encoding="utf-8") as file:
            file.write("<domain type='qemu'><name>app1</name><memory>65536</memory><os><type>hvm</type></os></domain>")
        self.virsh("define", self.path("taken.xml"))
        try:
            self.aborted("site.yaml", "target_name_free", "app1", "kvm")
        finally:
            self.virsh("undefine", "app1")


class AfterTheFirstEffect(LabTest):
    apps = 2
    options = ["--variant", "app2=deaf"]

    def rolled_back(self, app, *words):
        ran = self.vmferry("run", f"app{app}.yaml", "--site", "site.yaml", expect=ROLLED_BACK)
        for word in words:
            self.assertIn(word, ran.text)
        self.served_by(app, "VMware")
        self.assertEqual(self.domains(), [])
        vm = self.vm(f"app{app}")
        self.assertNotIn("vmferry.claim", vm["extra_config"])
        self.assertTrue(all(card["start_connected"] for card in vm["cards"]))
        lb = wait_until("the source is healthy again", lambda: self.healthy(app))
        self.assertTrue(lb["kvm"].startswith("MAINT"), lb)
        self.assertEqual(self.application(f"app{app}")["phase"], "rolled back")
        self.assertEqual(self.control("GET", "/leases") or [], [])
        return ran

    def healthy(self, app):
        lb = self.lb(f"app{app}")
        return lb if lb["vmware"].startswith("UP") else None

    def test_guest_that_ignores_shutdown(self):
        self.rolled_back(2, "quiesce_application", "shut")

    def test_connection_cut_in_mid_copy_every_time(self):
        self.control("POST", "/faults", {"method": "GET /folder", "action": "cut", "bytes": 1000000, "count": 0})
        try:
            self.rolled_back(1, "final_data_sync", "app1")
        finally:
            self.control("DELETE", "/faults")
        self.assertEqual(self.volumes(), [])

    def test_connection_cut_once_is_survived(self):
        self.control("POST", "/faults", {"method": "GET /folder", "action": "cut", "bytes": 1000000, "count": 1})
        self.vmferry("run", "app1.yaml", "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "next test")
        self.served_by(1, "VMware")

    def test_nfc_lease_instead_of_the_folder(self):
        self.vmferry("run", "app1.yaml", "--site", self.site("nfc.yaml", replace=[
            ("  defaults:\n", "  defaults:\n    final_data_sync: {method: nfc}\n")]))
        self.served_by(1, "QEMU")
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "next test")
        self.served_by(1, "VMware")


class PoolFull(LabTest):
    def test_pool_full_in_mid_copy(self):
        pool = self.path("small")
        os.mkdir(pool)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", pool], check=False)
        if mounted.returncode != 0:
            self.fail("this test mounts a small file system and needs root")
        try:
            self.fill_while_copying(pool)
        finally:
            for name in ("small",):
                subprocess.run(["virsh", "-c", self.env["LIBVIRT_URI"], "pool-destroy", name], check=False,
                               capture_output=True)
            subprocess.run(["umount", "--lazy", pool], check=True)

    def fill_while_copying(self, pool):
        os.chmod(pool, 0o777)
        self.virsh("pool-create-as", "small", "dir", "--target", pool)
        site = self.site("small.yaml", replace=[(f": {self.env['POOL']}\n", ": small\n")])
        # Only the copy itself: the conversion would need as much again, and target_capacity would say so.
        text = self.read(self.path("app1.yaml")).replace("  - convert_image\n", "  - convert_image: {format: raw}\n")
        with open(self.path("raw.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        self.control("POST", "/faults", {"method": "GET /folder", "action": "rate", "bytes_per_s": 500000})
        process = self.start("run", "raw.yaml", "--site", site)
        wait_until("the copy began", lambda: any(n.endswith(".raw") for n in os.listdir(pool)))
        with open(os.path.join(pool, "somebody-else"), "wb", buffering=0) as file:
            self.fill(file)
        self.control("DELETE", "/faults")
        text, _ = process.communicate(timeout=240)
        self.assertEqual(process.returncode, ROLLED_BACK, text)
        for word in ("final_data_sync", "pool small is full"):
            self.assertIn(word, text)
        self.served_by(1, "VMware")
        self.assertFalse([n for n in os.listdir(pool) if n.endswith(".raw")])

    @staticmethod
    def fill(file):
        try:
            while True:
                file.write(b"x" * 65536)
        except OSError:
            pass


if __name__ == "__main__":
    unittest.main(verbosity=2)
