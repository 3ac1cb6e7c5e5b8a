#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the lab's Prometheus watches, and whom its Alertmanager tells. One small web server on loopback.

Usage: monitored.py PORT SIGNALS_DIR

    GET  /app        metrics of an application that has served some more requests since the last look
    PUT  /app        how it does: {"requests": 20, "seconds": 0.08, "failed": 0}, per look
    GET  /signals    all *.prom files of SIGNALS_DIR, as a textfile collector shows them
    POST /alerts     Alertmanager's webhook
    GET  /received   what it was told: a line of JSON for each alert, the newest first
"""
import json
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKETS = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6]


class Application:
    """A histogram of latencies and a counter of failures, which grow with every look."""

    def __init__(self):
        self.lock = threading.Lock()
        self.manner = {"requests": 20, "seconds": 0.08, "failed": 0}
        self.buckets, self.count, self.failed = [0] * len(BUCKETS), 0, 0

    def serve_some(self):
        with self.lock:
            self.count += self.manner["requests"]
            self.failed += self.manner["failed"]
            for i, bound in enumerate(BUCKETS):
                if self.manner["seconds"] <= bound:
                    self.buckets[i] += self.manner["requests"]
            return self.text()

    def text(self):
        name = "http_request_duration_seconds"
        lines = [f"# TYPE {name} histogram"]
        lines += [f'{name}_bucket{{le="{bound}"}} {count}' for bound, count in zip(BUCKETS, self.buckets)]
        lines += [f'{name}_bucket{{le="+Inf"}} {self.count}', f"{name}_count {self.count}", f"{name}_sum 0"]
        lines += ["# TYPE http_requests_failed_total counter", f"http_requests_failed_total {self.failed}"]
        return "\n".join(lines) + "\n"


class Handler(BaseHTTPRequestHandler):
    application, received, signals = Application(), [], None

    def answer(self, text, status=200):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def body(self):
        return json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def do_GET(self):
        if self.path == "/app":
            self.answer(self.application.serve_some())
        elif self.path == "/signals":
            self.answer("".join(self.text_of(file) for file in sorted(self.signals.glob("*.prom"))))
        elif self.path == "/received":
            self.answer("".join(json.dumps(alert) + "\n" for alert in reversed(self.received)))
        else:
            self.answer("nothing here\n", 404)

    @staticmethod
    def text_of(file):
        try:
            return file.read_text(encoding="utf-8")
        except FileNotFoundError:  # cleared just now
            return ""

    def do_PUT(self):
        self.application.manner = self.body()
        self.answer("")

    def do_POST(self):
        for alert in self.body()["alerts"]:
            self.received.append({"status": alert["status"], "labels": alert["labels"]})
        self.answer("")

    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    Handler.signals = pathlib.Path(sys.argv[2])
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
