# SPDX-License-Identifier: Apache-2.0
"""A rehearsal: the application serves all the while, its clone boots on the target and answers, and nothing of it stays."""
import hashlib
import os
import unittest

from labtest import HealthWatch, LabTest, Writer, wait_until


class Rehearsal(LabTest):
    options = ["--disk2", "app1=16"]

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        site = cls.read(os.path.join(cls.place, "site.yaml"))
        # A user network that leads nowhere: the port of the clone is the only way in, and there is none out.
        with open(cls.env["APP1_EXTRA_DOMAIN_XML_FILE"], encoding="utf-8") as file:
            isolated = file.read().replace("user,id=lab0,", "user,id=lab0,restrict=on,")
        assert "restrict=on" in isolated
        proof = "    power_on_target: {bootProof: console, consolePattern: GUEST-READY}\n"
        site = site.replace("    smoke_test: {probe", proof + "    smoke_test: {probe")
        site = site.replace("      domainType: ", "      rehearsal: {network: user}\n      domainType: ")
        xml = "".join("            " + line + "\n" for line in isolated.splitlines())
        site = site.replace("          extraDomainXml: |\n", f"          rehearsalDomainXml: |\n{xml}          extraDomainXml: |\n")
        url = f"http://127.0.0.1:{cls.env['APP1_KVM_PORT']}/healthz"
        with open(os.path.join(cls.place, "site.yaml"), "w", encoding="utf-8") as file:
            file.write(site + f"      rehearsalUrl: {url}\n")

    def test_1_needs_a_network_that_the_site_names(self):
        site = self.site("without.yaml", replace=[("      rehearsal: {network: user}\n", "")])
        refused = self.vmferry("rehearse", "app1.yaml", "--site", site, expect=3)
        self.assertIn("names no isolated network", refused.text)
        self.assertIn("rehearsal: {network:", refused.text)

    def test_2_everything_is_tried_while_the_source_serves(self):
        before = self.picture()
        writer, watch = Writer(self.url()), HealthWatch(self)
        writer.start()
        watch.start()
        wait_until("records are written", lambda: len(writer.acknowledged) >= 5)
        self.control("DELETE", "/calls")
        ran = self.vmferry("rehearse", "app1.yaml", "--site", "site.yaml", "--reason", "before change 4711")
        writer.stop()
        watch.stop()
        print(ran.text)
        self.assertIn("without quiesce_application: the source goes on serving", ran.text)
        self.assertIn("source and target are as before", ran.text)
        self.assertIn("forecast of the time without service", ran.text)
        self.assertGreater(len(watch.samples), 20)
        self.assertEqual(watch.without(), [], "the load balancer was without a healthy server")
        self.assertEqual(self.whoami(self.url())["vendor"], "VMware")
        self.assertEqual(set(writer.acknowledged) - set(self.records()), set())
        writes = self.control("GET", "/calls")["writes"]
        self.assertIn("CreateSnapshot_Task", writes)
        self.assertNotIn("ShutdownGuest", writes)
        self.assertNotIn("PowerOffVM_Task", writes)
        self.assertEqual(self.picture(), before)

    def test_3_the_clone_answered(self):
        facts = {}
        for event in self.events(self.last_run()):
            if event["kind"] == "outcome" and event["payload"]["result"] == "done":
                facts[event["payload"]["name"]] = event["payload"].get("facts")
        self.assertIn("smoke_test", facts, "the clone's page was asked for")
        self.assertEqual(facts["power_on_target"]["workloads"]["app1"]["domain"], "app1-rehearsal")
        self.assertEqual(facts["final_data_sync"]["bytes"], (48 + 16) * 1024 * 1024)

    def test_4_the_copy_is_the_disk_of_the_snapshot(self):
        # The second disk is not written to, so its copy must be the very disk.
        copied = {}
        for event in self.events(self.last_run()):
            if event["kind"] == "outcome" and event["payload"].get("name") == "final_data_sync":
                for disk in event["payload"]["facts"]["workloads"]["app1"]["disks"]:
                    copied[disk["label"]] = disk["sha256"]
        with open(self.vm()["disks"][1]["path"], "rb") as disk:
            self.assertIn(hashlib.sha256(disk.read()).hexdigest(), copied.values())

    def test_5_the_plan_knows_what_it_took(self):
        planned = self.vmferry("plan", "app1.yaml", "--site", "site.yaml").text
        self.assertIn("time without service: about ", planned)
        self.assertIn(self.last_run(), planned)
        self.assertIn("when rehearsed", planned)
        rehearsed = self.vmferry("--json", "plan", "app1.yaml", "--site", "site.yaml").of("plan")[0]["rehearsed"]
        self.assertEqual(rehearsed["measured"]["notTried"], ["quiesce_application", "update_load_balancer"])
        self.assertGreater(rehearsed["measured"]["copyMs"], 0)

    def test_6_a_difference_is_named(self):
        ran = self.start("rehearse", "app1.yaml", "--site", "site.yaml")
        wait_until("the clone is there", lambda: "app1-rehearsal" in self.domains())
        self.virsh("vol-create-as", self.env["POOL"], "app1-rehearsal-0123456789ab-disk9.raw", "1M")
        text, _ = ran.communicate(timeout=240)
        self.assertEqual(ran.returncode, 10, text)
        self.assertIn("app1-rehearsal-0123456789ab-disk9.raw", text)
        self.virsh("vol-delete", "--pool", self.env["POOL"], "app1-rehearsal-0123456789ab-disk9.raw")

    def test_7_the_real_run_follows(self):
        self.vmferry("run", "app1.yaml", "--site", "site.yaml")
        self.served_by(1, "QEMU")
        refused = self.vmferry("rehearse", "app1.yaml", "--site", "site.yaml", expect=3)
        self.assertIn("soak", refused.text)

    def picture(self):
        vm = self.vm()
        return {"power": vm["power_state"], "marks": {k: v for k, v in vm["extra_config"].items() if "vmferry" in k},
                "snapshots": vm["snapshots"], "cards": vm["cards"], "domains": self.domains(),
                "volumes": self.volumes(), "lb": {name: words.split()[0] for name, words in self.lb().items()}}


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
