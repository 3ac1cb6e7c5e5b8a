# SPDX-License-Identifier: Apache-2.0
"""The runbook and the policy from the field, word for word: refused where the policy is violated, approved, moved with
every step's work seen on the real system, sampled, and rolled back to what was there before."""
import glob
import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import unittest
import urllib.parse

from labtest import LAB, LabTest, Writer, http, wait_until

DATA = os.path.join(os.path.dirname(LAB), "..", "data")
WRITE_SEED = os.path.join(os.path.dirname(LAB), "write-seed.sh")
SEED = ("seed-runbook.yaml", "--site", "site.yaml", "--policy", "seed-policy.yaml")
APP = "customer-analytics-api"
STEPS = ["backup_success_last_24h", "target_monitoring_ready", "target_network_policy_validated", "dns_ttl_lowered",
         "quiesce_application", "final_data_sync", "convert_image", "attach_target_storage_profile",
         "validate_guest_tools_and_drivers", "power_on_target", "smoke_test", "update_load_balancer",
         "p95_latency_within_slo", "error_rate_below_threshold", "backup_job_succeeds", "alerting_signals_present"]
CRITERIA = ["app_health_check_failure", "sustained_latency_regression", "target_backup_failure"]


class Seed(LabTest):
    options = ["--only", "vcenter,libvirt,haproxy,bind,prometheus,restic"]
    documents = WRITE_SEED

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number in range(5):
            http(cls.env["APP1_URL"] + "/cgi-bin/record", data=f"order-{number}".encode())
        subprocess.run([LAB, "backup", "--state", cls.env["LAB_STATE"]], check=True)

    # --- what the systems say ---

    def ttl(self):
        host, port = self.env["BIND"].split(":")
        done = subprocess.run(["dig", f"@{host}", "-p", port, "+tcp", "+noall", "+answer", "app1.lab.test", "A"],
                              check=True, capture_output=True, text=True)
        _, ttl, _, kind, address = done.stdout.split()
        self.assertEqual((kind, address), ("A", "127.0.0.1"))
        return int(ttl)

    def measured(self, query):
        answer = http(self.env["PROMETHEUS_URL"] + "/api/v1/query?query=" + urllib.parse.quote(query))
        return [float(series["value"][1]) for series in json.loads(answer)["data"]["result"]]

    def restic(self, *arguments):
        return subprocess.run(["restic", "--repo", self.env["RESTIC_REPOSITORY"], "--password-file",
                               self.env["RESTIC_PASSWORD_FILE"], "--no-cache", *arguments], check=True,
                              capture_output=True, text=True).stdout

    def backups(self, host):
        return json.loads(self.restic("snapshots", "--json", "--host", host)) or []

    def received(self, mark):
        lines = [json.loads(line) for line in http(self.env["MONITORED_URL"] + "/received").splitlines()]
        return {line["status"] for line in lines
                if line["labels"].get("vmferry") == mark and line["labels"]["alertname"] == "ApplicationAlertTrial"}

    def evidence(self):
        """The facts of each step's outcome in the last run."""
        return {event["payload"]["name"]: event["payload"].get("facts") for event in self.events(self.last_run())
                if event["kind"] == "outcome" and event["payload"]["result"] == "done"}

    def nothing_was_touched(self):
        self.assertEqual(self.domains(), [])
        self.assertEqual(self.volumes(), [])
        self.assertEqual(self.ttl(), 6)
        self.assertNotIn("vmferry.claim", self.vm()["extra_config"])
        self.assertTrue(self.lb()["vmware"].startswith("UP"))

    # --- the story ---

    def test_01_the_documents_are_the_fields_own(self):
        for name in ("seed-runbook.yaml", "seed-policy.yaml"):
            self.assertEqual(self.read(self.path(name)), self.read(os.path.join(DATA, name)))
        self.vmferry("validate", "seed-runbook.yaml", "seed-policy.yaml", "site.yaml")
        self.control("DELETE", "/calls")
        planned = self.vmferry("plan", *SEED).text
        self.assertIn("no problems found", planned)
        self.assertIn("approval: rests before the cutover until `vmferry approve`", planned)
        for name in STEPS + CRITERIA:
            self.assertIn(name, planned)
        self.assertLessEqual(max(map(len, planned.replace(self.place, "").splitlines())), 120)
        self.assertEqual(self.control("GET", "/calls")["writes"], {})
        self.nothing_was_touched()

    def test_02_a_violated_clause_refuses_it(self):
        for change, words in ((("zone: zone-b", "zone: zone-x"), "compliance.residency: the target"),
                              (("pextra:", "proxmox:"), "allowedPlatforms: platform `proxmox` is not allowed")):
            changes = [change] if change[0] != "pextra:" else [change, ("[pextra-cloud]", "[our-cloud]")]
            with self.subTest(words):
                self.site("elsewhere.yaml", replace=changes)
                runbook = self.read(self.path("seed-runbook.yaml"))
                if len(changes) == 2:
                    runbook = runbook.replace("pextra-cloud", "our-cloud")
                with open(self.path("elsewhere-runbook.yaml"), "w", encoding="utf-8") as file:
                    file.write(runbook)
                there = ("elsewhere-runbook.yaml", "--site", "elsewhere.yaml", "--policy", "seed-policy.yaml")
                checked = self.vmferry("validate", there[0], there[2], "--policy", "seed-policy.yaml", expect=3)
                self.assertIn(words, checked.text)
                self.assertIn(words, self.vmferry("run", *there, expect=3).text)
        self.assertFalse(os.path.exists(self.path("journal.db")))
        self.nothing_was_touched()

    def test_03_it_waits_for_approval_with_the_source_in_service(self):
        ran = self.vmferry("run", *SEED, "--reason", "change 4711", expect=12)
        self.assertIn("vmferry approve " + self.last_run(), ran.text)
        self.assertEqual(self.whoami(self.url())["vendor"], "VMware")
        self.assertEqual(self.domains(), [])
        self.assertEqual(self.ttl(), 1)
        self.vmferry("resume", self.last_run(), "--site", "site.yaml", expect=12)
        self.assertEqual(self.vm()["power_state"], "poweredOn")

    def test_04_approved_it_moves_and_loses_nothing(self):
        before = self.whoami(self.url())
        writer = Writer(self.url())
        writer.start()
        wait_until("records are written", lambda: len(writer.acknowledged) >= 5)
        ran = self.vmferry("--json", "approve", self.last_run(), "--site", "site.yaml", "--reason", "the board agreed",
                           "--no-soak")
        writer.stop()
        type(self).quiesced_at = next(line["at_ms"] for line in ran.lines if line.get("kind") == "intent"
                                      and line["payload"]["name"] == "quiesce_application")
        type(self).written = writer.at_ms
        after = self.whoami(self.url())
        self.assertEqual((after["vendor"], after["mac"]), ("QEMU", before["mac"]))
        self.assertEqual(set(writer.acknowledged) - set(self.records()), set(), "acknowledged records were lost")
        self.assertEqual(self.application(APP)["phase"], "soak")
        self.assertEqual(self.vm()["power_state"], "poweredOff")
        self.assertFalse(any(card["start_connected"] for card in self.vm()["cards"]))
        self.assertTrue(self.lb()["kvm"].startswith("UP"))

    def test_05_every_step_has_done_its_work(self):
        facts = self.evidence()
        self.assertEqual([name for name in facts if name in STEPS], STEPS)
        steps = {step["step"].split(" ")[0]: step["status"] for step in self.application(APP)["steps"]}
        self.assertEqual({steps[name] for name in STEPS}, {"done"})
        backup = facts["backup_success_last_24h"]
        self.assertEqual(backup["backup"], self.backups("app1")[-1]["id"])
        self.assertEqual(backup["paths"], [self.env["APP1_SOURCE_DISK"]])
        self.assertEqual(facts["target_monitoring_ready"]["scrapeTargets"], 2)
        self.assertGreaterEqual(min(facts["target_monitoring_ready"]["series"].values()), 1)
        flows = facts["target_network_policy_validated"]["flows"]
        self.assertEqual([flow["outcome"] for flow in flows], ["connected", "connected", "refused"])
        self.assertEqual(facts["dns_ttl_lowered"]["waitedSeconds"], 6)
        self.assertFalse(facts["quiesce_application"]["workloads"]["app1"]["forced"], "the guest shut down by itself")
        copy = facts["final_data_sync"]["workloads"]["app1"]["disks"][0]
        self.assertEqual(copy["sha256"], facts["convert_image"]["workloads"]["app1"]["disks"][0]["sha256"])
        self.assertEqual(facts["attach_target_storage_profile"]["cache"], "none")
        self.assertIn("cache='none'", self.virsh("dumpxml", "app1"))
        guest = facts["validate_guest_tools_and_drivers"]
        self.assertEqual(guest["verdict"], "cannot tell, accepted")
        self.assertIn("no operating system", guest["unknown"][0])
        self.assertEqual(facts["power_on_target"]["workloads"]["app1"]["state"], "running")
        self.assertEqual(facts["smoke_test"]["status"], 200)
        self.assertEqual(facts["update_load_balancer"]["state"], "ready")
        for check in ("p95_latency_within_slo", "error_rate_below_threshold"):
            self.assertGreaterEqual(facts[check]["samples"], 5)
        self.assertLess(facts["p95_latency_within_slo"]["p95Ms"], 2000)
        self.assertEqual(facts["backup_job_succeeds"]["verified"], "restore")
        self.assertIn("firing", self.received(facts["alerting_signals_present"]["vmferry"]))

    def test_06_the_targets_backup_has_the_records(self):
        made = self.backups("app1-target")
        self.assertEqual(self.evidence()["backup_job_succeeds"]["backup"], made[-1]["id"])
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            self.restic("restore", made[-1]["id"], "--target", folder)
            copies = glob.glob(folder + "/**/*.raw", recursive=True)
            self.assertEqual(len(copies), 1)
            with open(copies[0], "rb") as disk:
                content = disk.read()
        for number in range(5):
            self.assertIn(f"order-{number}\n".encode(), content)

    def test_07_the_criteria_pass_and_the_target_is_watched(self):
        samples = {line["sample"]["criterion"]: line["sample"]["facts"]["verdict"]
                   for line in self.vmferry("--json", "criteria", self.last_run(), "--site", "site.yaml").lines
                   if "sample" in line}
        self.assertEqual(samples, dict.fromkeys(CRITERIA, "pass"))
        shown = self.vmferry("criteria", self.last_run(), "--site", "site.yaml").text
        self.assertEqual(shown.count(" pass "), 3)
        self.assertNotIn("{", shown)
        wait_until("the target is scraped", lambda: self.measured('up{job="guests"}') == [1.0])
        wait_until("its page is true", lambda: self.measured("application_records") == [float(len(self.records()))])

    def test_08_rolled_back_everything_is_as_before(self):
        target_only = f"on-the-target-{os.getpid()}"
        self.record(target_only)
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        self.served_by(1, "VMware")
        records = set(self.records())
        self.assertEqual({f"order-{number}" for number in range(5)} - records, set())
        before = {text for text, at in self.written.items() if at < self.quiesced_at}
        self.assertGreater(len(before), 4)
        self.assertEqual(before - records, set())
        self.assertNotIn(target_only, records, "it is in the delta, which is kept")
        self.assertTrue([volume for volume in self.volumes() if "overlay" in volume], "the delta is kept")
        self.assertEqual(self.domains(), [])
        self.assertEqual([volume for volume in self.volumes() if volume.endswith(".reserve")], [])
        self.assertEqual(self.ttl(), 6)
        servers = self.lb()
        self.assertTrue(servers["vmware"].startswith("UP"), servers)
        self.assertTrue(servers["kvm"].startswith("MAINT"), servers)
        self.assertEqual(os.listdir(self.env["SIGNALS_DIR"]), [])
        self.assertTrue(all(card["start_connected"] for card in self.vm()["cards"]), "the fence is lifted")
        self.assertNotIn("vmferry.claim", self.vm()["extra_config"])

    def test_09_the_trail_is_whole_and_has_no_secret(self):
        self.vmferry("audit", "verify", "--site", "site.yaml")
        story = self.vmferry("audit", "show", self.last_run(), "--site", "site.yaml").text
        for words in ("decision: approve by ", ": the board agreed", 'verdict: "cannot tell, accepted"', "-> rolled back"):
            self.assertIn(words, story)
        for file in ("VC_PASSWORD_FILE", "RESTIC_PASSWORD_FILE", "BIND_SECRET_FILE"):
            secret = self.read(self.env[file]).strip()
            self.assertGreater(len(secret), 8)
            self.assertFalse([text for text in self.printed if secret in text], file)
            with open(self.path("journal.db"), "rb") as journal:
                self.assertNotIn(secret.encode(), journal.read(), file)

    def test_10_a_log_that_lets_itself_be_changed_begins_no_more_runs(self):
        shutil.copy(self.path("journal.db"), self.path("loose.db"))
        database = sqlite3.connect(self.path("loose.db"))
        database.execute("drop trigger events_are_not_removed")
        database.commit()
        database.close()
        refused = self.vmferry("--journal", self.path("loose.db"), "run", *SEED, expect=3)
        self.assertIn("immutableAuditLog", refused.text)
        self.assertEqual(self.ttl(), 6)
        self.assertNotIn("vmferry.claim", self.vm()["extra_config"])


if __name__ == "__main__":
    unittest.main(verbosity=2, failfast=True)
