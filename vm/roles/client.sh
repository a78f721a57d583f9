#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes this machine the client, on which Prometheus watches the balancer, at 127.0.0.1:9090.
#   vm/roles/client.sh IF
# It can be given again.
set -eu
. "$(dirname "$0")/addresses.sh"

join "$1" "$client"
if ! curl -s http://127.0.0.1:9090/-/ready >/dev/null; then
	place=/var/lib/sluice-prometheus
	mkdir -p "$place"
	cp -r "$top/prometheus/prometheus.yml" "$top/prometheus/rules" "$top/prometheus/targets" "$place"
	sed -i 's/_interval: 15s/_interval: 2s/' "$place/prometheus.yml"
	echo "[{\"targets\": [\"$balancer:9480\"]}]" >"$place/targets/sluice.json"
	echo '[]' >"$place/targets/node.json"
	(cd "$place" && exec prometheus --config.file=prometheus.yml --storage.tsdb.path=data \
		--web.listen-address=127.0.0.1:9090 >>/var/log/prometheus.log 2>&1 </dev/null) &
	until_ok 120 curl -sf http://127.0.0.1:9090/-/ready
fi
echo "Prometheus is ready"
