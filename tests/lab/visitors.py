#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Visitors of the lab's applications: real requests through the load balancer, and what they met as metrics.

Usage: visitors.py PORT SECONDS NAME=URL...

Each application is asked for its records four times a second, one request after the other, for SECONDS at most; the
page of metrics stays until the lab ends.

    GET  /metrics    http_request_duration_seconds and http_requests_total{code=...}, by application
"""
import collections
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKETS = [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4]
EVERY = 0.25  # seconds between the beginnings of two requests


class Visitor(threading.Thread):
    """Visits one application. Its numbers grow only by what it met."""

    def __init__(self, name, url, seconds):
        super().__init__(daemon=True)
        self.application, self.url, self.end = name, url, time.monotonic() + seconds
        self.lock = threading.Lock()
        self.buckets, self.seconds, self.codes = [0] * len(BUCKETS), 0.0, collections.Counter()

    def run(self):
        while time.monotonic() < self.end:
            began = time.monotonic()
            code = self.ask()
            took = time.monotonic() - began
            with self.lock:
                self.codes[code] += 1
                self.seconds += took
                for i, bound in enumerate(BUCKETS):
                    self.buckets[i] += took <= bound
            time.sleep(max(0.0, EVERY - took))

    def ask(self):
        """The status of the answer, or `none`."""
        try:
            with urllib.request.urlopen(self.url + "/cgi-bin/records", timeout=5) as answer:
                answer.read()
                return str(answer.status)
        except urllib.error.HTTPError as refusal:
            return str(refusal.code)
        except OSError:
            return "none"

    def lines(self):
        with self.lock:
            label, name, count = f'application="{self.application}"', "http_request_duration_seconds", self.codes.total()
            yield from (f'{name}_bucket{{{label},le="{bound}"}} {n}' for bound, n in zip(BUCKETS, self.buckets))
            yield f'{name}_bucket{{{label},le="+Inf"}} {count}'
            yield f"{name}_count{{{label}}} {count}"
            yield f"{name}_sum{{{label}}} {self.seconds}"
            yield from (f'http_requests_total{{{label},code="{code}"}} {n}' for code, n in sorted(self.codes.items()))


class Page(BaseHTTPRequestHandler):
    visitors = []

    def do_GET(self):
        types = {"http_request_duration_seconds": "histogram", "http_requests_total": "counter"}
        lines = [line for visitor in self.visitors for line in visitor.lines()]
        text = ""
        for name, kind in types.items():
            text += "\n".join([f"# TYPE {name} {kind}", *(line for line in lines if line.startswith(name))]) + "\n"
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    for pair in sys.argv[3:]:
        Page.visitors.append(Visitor(*pair.split("=", 1), float(sys.argv[2])))
    for one in Page.visitors:
        one.start()
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Page).serve_forever()
