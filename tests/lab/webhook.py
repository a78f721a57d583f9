#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""webhook.py PORT: takes Alertmanager's webhooks on 127.0.0.1 and prints each alert as a line of JSON:
receiver, status (firing or resolved), labels, annotations."""
import http.server
import json
import sys


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in message["alerts"]:
            line = {"receiver": message["receiver"]}
            line |= {key: alert[key] for key in ("status", "labels", "annotations")}
            print(json.dumps(line), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        """Only alerts are printed."""


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
