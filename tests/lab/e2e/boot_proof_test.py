# SPDX-License-Identifier: Apache-2.0
"""power_on_target with a boot proof: the console's line and the agent's answer are evidence; what never comes, and a
domain that stops, roll back with the end of the console."""
import subprocess
import threading
import unittest

from labtest import LabTest, wait_until

ROLLED_BACK = 10


class BootProof(LabTest):
    def runbook(self, **parameters):
        lines = "".join(f"      {name}: {value}\n" for name, value in parameters.items())
        text = self.read(self.path("app1.yaml")).replace("  - power_on_target\n", f"  - power_on_target:\n{lines}")
        with open(self.path("proof.yaml"), "w", encoding="utf-8") as file:
            file.write(text)
        return "proof.yaml"

    def proof(self):
        """What the journal holds of it."""
        text = self.vmferry("--json", "audit", "show", self.last_run(), "--site", "site.yaml").text
        self.assertIn('"boot"', text)
        return text

    def roll_back(self):
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "next test")
        self.served_by(1, "VMware")
        self.assertEqual(self.domains(), [])
        self.assertEqual([name for name in self.volumes() if name.endswith(".console")], [])

    def test_1_wrong_parameters_are_diagnostics(self):
        wrong = self.vmferry("plan", self.runbook(bootProof="console"), "--site", "site.yaml", expect=3)
        self.assertRegex(wrong.text, r"proof\.yaml:\d+:\d+: error: .*`bootProof: console` needs `consolePattern`")

    def test_2_the_console(self):
        name = self.runbook(bootProof="console", consolePattern='"GUEST-READY nic=[a-z]+[0-9]"')
        planned = self.vmferry("plan", name, "--site", "site.yaml")
        self.assertIn("occurs on each console", " ".join(planned.text.split()))  # lines are wrapped
        self.vmferry("run", name, "--site", "site.yaml")
        self.served_by(1, "QEMU")
        self.assertIn("GUEST-READY nic=", self.proof())
        self.assertIn("<serial type='pty'>", self.virsh("dumpxml", "app1"), "people keep their terminal")
        self.roll_back()

    def test_3_the_agent(self):
        self.vmferry("run", self.runbook(bootProof="agent"), "--site", "site.yaml")
        self.assertIn('"agent"', self.proof())
        self.roll_back()

    def test_4_a_port(self):
        port = self.env["APP1_KVM_PORT"]
        self.vmferry("run", self.runbook(bootProof="port", bootProbe=f"tcp://127.0.0.1:{port}", probe="web"),
                     "--site", "site.yaml")
        self.assertIn(f"tcp://127.0.0.1:{port}", self.proof())
        self.roll_back()

    def test_5_what_never_comes_rolls_back(self):
        name = self.runbook(bootProof="console", consolePattern="NEVER", bootDeadline="30s")
        ran = self.vmferry("run", name, "--site", "site.yaml", expect=ROLLED_BACK)
        self.assertIn('no proof of a boot within 30s: "NEVER" does not occur on the console', ran.text)
        self.assertIn("the console ends with", ran.text)
        self.served_by(1, "VMware")
        self.assertEqual([name for name in self.volumes() if name.endswith(".console")], [])

    def test_6_a_refused_port_rolls_back(self):
        name = self.runbook(bootProof="port", bootProbe="tcp://127.0.0.1:1", probe="web", bootDeadline="5s")
        ran = self.vmferry("run", name, "--site", "site.yaml", expect=ROLLED_BACK)
        self.assertIn("tcp://127.0.0.1:1 is not accepted", ran.text)

    def test_7_a_domain_that_stops_is_no_matter_of_time(self):
        name = self.runbook(bootProof="console", consolePattern="NEVER", bootDeadline="8m")

        def stop_it():
            wait_until("the guest runs", lambda: "app1" in self.virsh("list", "--name").split())
            wait_until("it writes on its console", lambda: self.console_size() > 0)
            subprocess.run(["virsh", "-q", "-c", self.env["LIBVIRT_URI"], "destroy", "app1"], check=False)

        stopper = threading.Thread(target=stop_it, daemon=True)
        stopper.start()
        ran = self.vmferry("run", name, "--site", "site.yaml", expect=ROLLED_BACK)
        stopper.join(timeout=10)
        self.assertIn("the domain stopped while booting: it is off", ran.text)
        self.served_by(1, "VMware")

    def console_size(self):
        self.virsh("pool-refresh", self.env["POOL"])
        for name in self.volumes():
            if name.endswith(".console"):
                return int(self.virsh("vol-info", "--bytes", "--physical", "--pool", self.env["POOL"],
                                      name).split("Physical:")[1].split()[0])
        return 0


if __name__ == "__main__":
    unittest.main(verbosity=2)
