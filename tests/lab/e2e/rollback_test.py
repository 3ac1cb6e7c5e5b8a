# SPDX-License-Identifier: Apache-2.0
"""Going back from five places of a run on real parts: source, load balancer, DNS and backup product are afterwards set
to what they were before."""
import json
import os
import socket
import subprocess
import unittest

from labtest import LAB, LabTest, wait_until

APP = "customer-analytics-api"
# Behind the intent or the outcome of these.
PLACES = [("outcome", "dns_ttl_lowered"), ("intent", "convert_image"), ("outcome", "power_on_target"),
          ("intent", "update_load_balancer"), ("outcome", "update_load_balancer")]


class Rollback(LabTest):
    options = ["--only", "vcenter,libvirt,haproxy,bind,prometheus,restic"]
    documents = os.path.join(os.path.dirname(LAB), "write-seed.sh")

    def save_states(self):
        """As a site's own script does after a change by hand: what a reload shall restore."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(self.env["HAPROXY_SOCKET"])
            connection.sendall(b"show servers state\n")
            text = b""
            while chunk := connection.recv(65536):
                text += chunk
        with open(self.env["HAPROXY_STATE_FILE"], "wb") as file:
            file.write(text)

    def restic(self, *arguments):
        return subprocess.run(["restic", "--repo", self.env["RESTIC_REPOSITORY"], "--password-file",
                               self.env["RESTIC_PASSWORD_FILE"], "--no-cache", "--json", *arguments], check=True,
                              capture_output=True, text=True).stdout

    def zone(self, server):
        host, port = self.env[server].split(":")
        done = subprocess.run(["dig", f"@{host}", "-p", port, "+tcp", "+noall", "+answer", "app1.lab.test", "A"],
                              check=True, capture_output=True, text=True)
        return sorted(done.stdout.splitlines())

    def fingerprint(self):
        """What going back has to restore, as the systems themselves tell it."""
        vm = self.vm()
        with open(self.env["HAPROXY_STATE_FILE"], encoding="utf-8") as file:
            rows = [line.split() for line in file if not line.startswith("#")]
        return {"source": {key: vm[key] for key in sorted(vm) if key not in ("change_version", "boot_time", "port", "pid")},
                "load balancer": {name: status.split()[0] for name, status in self.lb().items()},
                "load balancer, persisted": {row[3]: "ready" if row[6] == "0" else "maint" for row in rows
                                             if len(row) > 7 and row[1] == "app1"},
                "dns": [self.zone("BIND"), self.zone("BIND2")],
                "backup": [json.loads(self.restic("cat", "config")), self.restic("snapshots", "--host", "app1")],
                "signals": os.listdir(self.env["SIGNALS_DIR"]),
                "target": self.domains()}

    def runs(self):
        if not os.path.exists(self.path("journal.db")):
            return []
        return self.vmferry("--json", "status", "--site", "site.yaml", expect=None).of("run")

    def go_back_at(self, kind, step):
        known = len(self.runs())
        process = self.start("--json", "run", "app.yaml", "--site", "site.yaml", "--reason", f"{kind} of {step}")
        self.addCleanup(process.kill)
        for line in process.stdout:
            event = json.loads(line)
            if event.get("kind") == kind and event["payload"].get("name") == step:
                break
        self.assertEqual(len(self.runs()), known + 1)
        self.vmferry("rollback", self.last_run(), "--site", "site.yaml", "--reason", "trying the way back")
        rest, _ = process.communicate(timeout=240)
        self.assertIn(process.returncode, (3, 10), rest)

    def test_from_five_places_everything_is_as_before(self):
        runbook = {"application": APP, "sourcePlatform": "vmware-vsphere", "targetPlatform": "pextra-cloud",
                   "rollbackWindowMinutes": 60, "preChecks": ["dns_ttl_lowered"],
                   "cutoverSteps": ["quiesce_application", "final_data_sync", "convert_image", "power_on_target",
                                    "smoke_test", "update_load_balancer"],
                   "rollbackCriteria": ["app_health_check_failure"]}
        with open(self.path("app.yaml"), "w", encoding="utf-8") as file:
            json.dump(runbook, file)  # JSON is YAML
        for number in range(3):
            self.record(f"order-{number}")
        subprocess.run([LAB, "backup", "--state", self.env["LAB_STATE"]], check=True)
        self.save_states()
        before = self.fingerprint()
        self.assertEqual(before["load balancer, persisted"], {"kvm": "maint", "vmware": "ready"})
        self.assertTrue(before["dns"][0] and before["load balancer"] and before["source"], before)
        for kind, step in PLACES:
            with self.subTest(f"{kind} of {step}"):
                self.go_back_at(kind, step)
                wait_until("the second name server has followed", lambda: self.zone("BIND") == self.zone("BIND2"))
                wait_until("the source serves", lambda: self.whoami(self.url())["vendor"] == "VMware")
                self.maxDiff = None
                self.assertEqual(self.fingerprint(), before)
                self.assertEqual(sorted(self.records())[:3], ["order-0", "order-1", "order-2"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
