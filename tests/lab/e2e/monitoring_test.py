# SPDX-License-Identifier: Apache-2.0
"""Monitoring, on a real Prometheus and a real Alertmanager: what the checks on metrics let pass and what not, and how
far an alert got. The platforms are the fake world, so that a run takes a moment."""
import json
import os
import shutil
import subprocess
import tempfile
import time
import unittest
import urllib.parse

from labtest import LAB, LabTest, http, kill_hard, wait_until

EXAMPLE = os.path.join(os.path.dirname(LAB), "../../runbooks/examples/embedded")
APP = "customer-analytics-api"
WINDOW = 3  # seconds
P95 = 'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{job="shop"}[3s])))'
COUNT = 'sum(increase(http_request_duration_seconds_count{job="shop"}[3s]))'
ERRORS = ('sum(rate(http_requests_failed_total{job="shop"}[3s])) / '
          'sum(rate(http_request_duration_seconds_count{job="shop"}[3s]))')
LATENCY = {"query": P95, "samplesQuery": COUNT, "minSamples": 5, "window": f"{WINDOW}s", "slo": "300ms",
           "deadline": "40s"}
ERROR_RATE = {"query": ERRORS, "samplesQuery": COUNT, "minSamples": 5, "window": f"{WINDOW}s", "threshold": "10%",
              "deadline": "40s"}
READY = {"targets": ["shop", "signals"], "maxScrapeAge": "30s", "plannedTargets": ["dead"],
         "metrics": ["http_request_duration_seconds_count"], "alertRules": ["ShopSlow", "ShopTrial"]}


class Monitoring(LabTest):
    @classmethod
    def setUpClass(cls):
        cls.lab = tempfile.mkdtemp(prefix="vmferry-e2e.")
        cls.addClassCleanup(shutil.rmtree, cls.lab, True)
        state = os.path.join(cls.lab, "lab")
        cls.addClassCleanup(cls.run_lab, "stop", "--state", state)
        cls.run_lab("start", "--state", state, "--only", "prometheus", check=True)
        cls.env, cls.printed = {}, []
        for line in cls.read(os.path.join(state, "env")).splitlines():
            name, value = line.split("=", 1)
            cls.env[name] = value.strip("'")

    @staticmethod
    def run_lab(*arguments, check=False):
        subprocess.run([LAB, *arguments], check=check)

    def setUp(self):
        self.place = tempfile.mkdtemp(prefix="case.", dir=self.lab)
        self.manner(requests=20, seconds=0.08, failed=0)

    # --- documents ---

    def prepare(self, pre=None, post=None):
        """World, site and a runbook with these checks: {step: parameters}."""
        shutil.copy(os.path.join(EXAMPLE, "world.json"), self.path("world.json"))
        world = json.loads(self.read(self.path("world.json")))
        world["bytes_per_second"] = 0
        site = {"apiVersion": "vmferry.dev/v1", "kind": "Site", "metadata": {"name": "monitored"}, "spec": {
            "journal": "journal.db",
            "platforms": {"vmware": {"plugin": "fake", "world": "world.json"},
                          "kvm": {"plugin": "fake", "world": "world.json"}},
            "services": {"front": {"plugin": "fake", "world": "world.json"},
                         "fakeweb": {"plugin": "fake", "world": "world.json"},
                         "web": {"plugin": "http"},
                         "prometheus": {"plugin": "prometheus", "url": self.env["PROMETHEUS_URL"]},
                         "alertmanager": {"plugin": "alertmanager", "url": self.env["ALERTMANAGER_URL"]},
                         "signals": {"plugin": "textfile", "directory": self.env["SIGNALS_DIR"]}},
            "networks": {"VM Network": "user"}, "storage": {"datastore1": "vmferry"},
            "defaults": {
                "quiesce_application": {"onRefusal": "rollBack", "guestShutdownDeadline": "20s", "drainDeadline": "5s",
                                        "probe": "fakeweb"},
                "smoke_test": {"probe": "fakeweb", "deadline": "20s"},
                "alerting_signals_present": {"probe": "web"}},
            "applications": {APP: {
                "workloads": [{"name": "web1", "vm": "web1"}], "loadBalancer": "front", "pool": "app",
                "sourceServer": "vmware", "targetServer": "kvm", "metricsService": "prometheus",
                "alertsService": "alertmanager", "signalService": "signals", "signalMetric": "vmferry_alert_trial",
                "receiverUrl": self.env["MONITORED_URL"] + "/received",
                "sourceHealthUrl": "http://web1.vmware.example/healthz", "url": "http://web1.kvm.example/healthz"}}}}
        runbook = {"application": APP, "sourcePlatform": "vmware", "targetPlatform": "kvm", "rollbackWindowMinutes": 90,
                   "preChecks": ["vm_exists", *self.steps(pre)],
                   "cutoverSteps": ["quiesce_application", "final_data_sync", "convert_image", "power_on_target",
                                    "smoke_test", "update_load_balancer"]}
        if post:
            runbook["postChecks"] = self.steps(post)
        for name, content in (("world.json", world), ("site.yaml", site), ("app.yaml", runbook)):
            with open(self.path(name), "w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)  # JSON is YAML

    @staticmethod
    def steps(checks):
        return [{name: parameters} if parameters else name for name, parameters in (checks or {}).items()]

    def manner(self, **how):
        http(self.env["MONITORED_URL"] + "/app", data=json.dumps(how).encode(), method="PUT")

    def signals(self):
        return [name for name in os.listdir(self.env["SIGNALS_DIR"]) if not name.startswith(".")]

    def received(self, mark):
        lines = [json.loads(line) for line in http(self.env["MONITORED_URL"] + "/received").splitlines()]
        return [line for line in lines if line["labels"].get("vmferry") == mark]

    def active(self):
        return json.loads(http(self.env["ALERTMANAGER_URL"] + "/api/v2/alerts"))

    def run_moves(self, expect):
        return self.vmferry("run", "app.yaml", "--site", "site.yaml", "--reason", "monitoring", expect=expect).text

    def fails_with(self, words, *, pre=None, post):
        """The run is rolled back, and says why."""
        self.prepare(pre, post)
        text = self.run_moves(expect=10)
        for word in words:
            self.assertIn(word, text.replace("\n", " "))
        self.assertEqual(self.signals(), [])
        return text

    # --- metrics ---

    def test_all_is_well(self):
        trial = {"alertName": "ShopTrial", "deadline": "60s"}
        self.prepare({"target_monitoring_ready": READY},
                     {"p95_latency_within_slo": LATENCY, "error_rate_below_threshold": ERROR_RATE,
                      "alerting_signals_present": trial})
        planned = self.vmferry("plan", "app.yaml", "--site", "site.yaml").text
        self.assertIn("no problems found", planned)
        self.assertEqual(self.signals(), [], "a dry run changes nothing")
        began = time.monotonic()
        self.run_moves(expect=0)
        self.assertGreater(time.monotonic() - began, 2 * WINDOW, "the windows were not waited for")
        self.assertEqual(self.application(APP)["phase"], "soak")
        facts = {event["payload"]["name"]: event["payload"].get("facts")
                 for event in self.events(self.last_run()) if event["kind"] == "outcome"}
        self.assertLess(facts["p95_latency_within_slo"]["p95Ms"], 300)
        self.assertGreaterEqual(facts["p95_latency_within_slo"]["samples"], 5)
        self.assertEqual(facts["error_rate_below_threshold"]["errorRate"], 0)
        mark = facts["alerting_signals_present"]["vmferry"]
        statuses = {line["status"] for line in self.received(mark) if line["labels"]["alertname"] == "ShopTrial"}
        self.assertIn("firing", statuses)
        self.assertEqual(self.signals(), [])
        self.assertEqual([a for a in self.active() if a["labels"].get("vmferry") == mark
                          and a["labels"]["alertname"] == "ShopTrial"], [])

    def test_slo_missed(self):
        self.manner(requests=20, seconds=0.7, failed=0)
        text = self.fails_with(["the 95th percentile of latency is", "more than 300ms"],
                               post={"p95_latency_within_slo": LATENCY})
        self.assertNotIn("deadline", text, "it is a measured failure, not a time-out")

    def test_too_many_errors(self):
        self.manner(requests=20, seconds=0.08, failed=10)
        self.fails_with(["the error rate is", "more than 10%"], post={"error_rate_below_threshold": ERROR_RATE})

    def test_too_few_samples(self):
        check = {**LATENCY, "minSamples": 1000000, "deadline": "8s"}
        self.fails_with(["inconclusive: too few samples:", "of at least 1000000"],
                        post={"p95_latency_within_slo": check})

    def test_nan_is_not_success(self):
        self.manner(requests=0, seconds=0.08, failed=0)
        check = {**ERROR_RATE, "samplesQuery": "vector(100)", "deadline": "15s"}
        self.fails_with(["no data: the value is NaN"], post={"error_rate_below_threshold": check})

    def test_infinity_is_not_success(self):
        check = {**ERROR_RATE, "query": "vector(1) / 0", "deadline": "8s"}
        self.fails_with(["inconclusive: the value is +Inf"], post={"error_rate_below_threshold": check})

    def test_an_unknown_metric_is_no_data(self):
        check = {**LATENCY, "query": f"last_over_time(no_such_metric[{WINDOW}s])", "deadline": "8s"}
        self.fails_with(["no data: no series matches"], post={"p95_latency_within_slo": check})

    def test_several_series_are_refused(self):
        check = {**LATENCY, "query": f"last_over_time(up[{WINDOW}s])"}
        self.fails_with(["3 series where one is expected"], post={"p95_latency_within_slo": check})
        planned = self.vmferry("plan", "app.yaml", "--site", "site.yaml", expect=3).text
        self.assertIn("3 series where one is expected", planned)

    def test_a_wrong_query_is_told_in_prometheus_words(self):
        check = {**LATENCY, "query": "rate(http_request_duration_seconds_count[3s]"}
        self.fails_with(["parse error: unclosed left parenthesis"], post={"p95_latency_within_slo": check})

    def test_what_is_not_ready_is_told_at_once_with_nothing_touched(self):
        ready = {**READY, "targets": ["dead", "nowhere/10.0.0.1:1"], "metrics": ["no_such_metric"],
                 "alertRules": ["ShopGone", "ShopTrial"]}
        self.prepare({"target_monitoring_ready": ready})
        text = self.run_moves(expect=3)
        for words in ("it is down: ", "connection refused", "scrape target nowhere/10.0.0.1:1: there is no such",
                      "metric no_such_metric: it has no samples", "alert rule ShopGone: it is not loaded"):
            self.assertIn(words, text)
        self.assertNotIn("ShopTrial", text)

    # --- baselines ---

    def measured(self):
        """Whether the server has enough samples of the application for a baseline."""
        url = self.env["PROMETHEUS_URL"] + "/api/v1/query?" + urllib.parse.urlencode({"query": COUNT})
        result = json.loads(http(url))["data"]["result"]
        return bool(result) and float(result[0]["value"][1]) >= 5

    def outcome_of(self, step):
        outcomes = [event["payload"] for event in self.events_so_far() if event["kind"] == "outcome"
                    and event["payload"]["name"] == step]
        return outcomes[-1] if outcomes else None

    def compare(self, **then):
        """The run's exit code when the application behaves like this once the baselines were measured."""
        compared = {"notWorseThan": "1.5", "baseline": "p95"}
        latency = {**{key: value for key, value in LATENCY.items() if key != "slo"}, **compared}
        errors = {**{key: value for key, value in ERROR_RATE.items() if key != "threshold"}, **compared,
                  "baseline": "errors", "margin": "1%"}
        ready = {**READY, "baselines": [f"p95 = {P95}", f"errors = {ERRORS}"], "baselineSamplesQuery": COUNT,
                 "baselineMinSamples": 5}
        self.prepare({"target_monitoring_ready": ready},
                     {"p95_latency_within_slo": latency, "error_rate_below_threshold": errors})
        wait_until("there are samples", self.measured)
        process = self.start("run", "app.yaml", "--site", "site.yaml")
        self.addCleanup(process.kill)
        wait_until("the baselines are journaled", lambda: self.outcome_of("target_monitoring_ready"))
        self.manner(**then)
        process.communicate(timeout=120)
        return process.returncode

    def test_not_worse_than_the_baseline(self):
        self.assertEqual(self.compare(requests=20, seconds=0.08, failed=0), 0)
        baselines = self.outcome_of("target_monitoring_ready")["facts"]["baselines"]
        self.assertGreaterEqual(baselines["p95"]["samples"], 5)
        self.assertEqual(baselines["p95"]["windowMs"], 3000)
        self.assertGreater(baselines["p95"]["atMs"], 0)
        facts = self.outcome_of("p95_latency_within_slo")["facts"]
        self.assertEqual(facts["baseline"]["value"], baselines["p95"]["value"])
        self.assertNotIn("sloMs", facts)

    def test_worse_than_the_baseline_goes_back(self):
        self.assertEqual(self.compare(requests=20, seconds=0.7, failed=0), 10)
        outcome = self.outcome_of("p95_latency_within_slo")
        self.assertEqual(outcome["result"], "failed")
        self.assertIn("1.5 times the baseline p95, which was", outcome["error"]["message"])

    def test_a_baseline_of_nothing_is_told_with_nothing_touched(self):
        ready = {**READY, "baselines": ["p95 = vector(0) / 0"], "baselineSamplesQuery": COUNT, "baselineMinSamples": 5}
        self.prepare({"target_monitoring_ready": ready})
        wait_until("there are samples", self.measured)
        text = self.run_moves(expect=3)
        self.assertIn("baseline p95", text)
        self.assertIn("the value is NaN", text.replace("\n", " "))

    # --- alerts ---

    def test_a_lost_alert_tells_how_far_it_got(self):
        for name, words in (("ShopDeafTrial", ["rule ShopDeafTrial is inactive: its expression does not see"]),
                            ("ShopBluntTrial", ["rule ShopBluntTrial is firing, but not with the label vmferry="]),
                            ("ShopPendingTrial", ["rule ShopPendingTrial is pending"]),
                            ("ShopElsewhereTrial", ["rule ShopElsewhereTrial is firing", "has the alert (active), for "
                                                    "elsewhere; the receiver", "does not show it"])):
            with self.subTest(name):
                self.setUp()
                self.fails_with(words, post={"alerting_signals_present": {"alertName": name, "deadline": "15s"}})

    def test_a_rule_that_is_not_loaded_fails_before_anything_is_raised(self):
        post = {"alerting_signals_present": {"alertName": "ShopGone"}}
        self.fails_with(["alert rule ShopGone", "it is not loaded"], post=post)

    def test_a_receiver_that_is_gone_is_said(self):
        post = {"alerting_signals_present": {"alertName": "ShopTrial", "deadline": "15s",
                                             "receiverUrl": "http://127.0.0.1:1/received"}}
        self.fails_with(["rule ShopTrial is firing", "does not show it: no answer"], post=post)

    def test_a_crash_while_the_signal_stands_is_gone_on_from_by_its_key(self):
        self.prepare(None, {"alerting_signals_present": {"alertName": "ShopLateTrial", "deadline": "90s"}})
        process = self.start("run", "app.yaml", "--site", "site.yaml")
        self.addCleanup(process.kill)
        wait_until("the signal is raised", self.signals)
        kill_hard(process)
        before = self.signals()
        self.assertEqual(len(before), 1)
        run = self.last_run()
        self.vmferry("resume", run, "--site", "site.yaml")
        self.assertEqual(self.application(APP)["phase"], "soak")
        self.assertEqual(self.signals(), [])
        intents = {event["payload"]["key"] for event in self.events(run)
                   if event["kind"] == "intent" and event["payload"]["name"] == "alerting_signals_present"}
        self.assertEqual(len(intents), 1, "the signal was raised under one key")
        mark = intents.pop()[:12]
        firing = [line for line in self.received(mark)
                  if line["status"] == "firing" and line["labels"]["alertname"] == "ShopLateTrial"]
        self.assertEqual(len(firing), 1)


if __name__ == "__main__":
    unittest.main()
