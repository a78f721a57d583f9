#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# open.sh                opens a lab to play in, unless it is open: three servers and a service
# open.sh down           closes it
# open.sh monitor        Prometheus, Alertmanager and node_exporter beside it; opens it if need be
# open.sh monitor-down   ends these
# PAGE_PORT, PROMETHEUS_PORT, ALERTMANAGER_PORT and NODE_PORT say where on 127.0.0.1 they are found.
LAB=${LAB:-sluice-lab}
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/monitor.sh"

page_port=$(lab_carried_port page || echo "${PAGE_PORT:-9480}")
prometheus_port=$(lab_carried_port carry-prometheus || echo "${PROMETHEUS_PORT:-9090}")
alertmanager_port=$(lab_carried_port carry-alertmanager || echo "${ALERTMANAGER_PORT:-9093}")
node_port=$(lab_carried_port carry-node_exporter || echo "${NODE_PORT:-9100}")

close_and_fail() {
	lab_down
	lab_fail "$*"
	exit 1
}

# need_port VARIABLE LABEL PORT: of the root namespace; ours already, or free.
need_port() {
	local holder
	! lab_running "$2" || return 0
	holder=$(lab_port_holder "127.0.0.1:$3")
	[ -z "$holder" ] ||
		lab_fail "127.0.0.1:$3 is taken by $holder; end it, or give another port: $1=N" || exit 1
}

# A token for changes by TCP, which the page asks for.
make_token() {
	(umask 077 && echo "lab $(head -c 18 /dev/urandom | base64)" >"$LAB_DIR/tokens")
}

# One that is open already stays as it is.
open_lab() {
	local i
	! [ -d "$LAB_DIR" ] || return 0
	need_port PAGE_PORT page "$page_port"
	lab_up keep || exit 1
	make_token
	for i in 1 2 3 4; do
		lab_backend_start "$i" hello || close_and_fail "server b$i does not start"
	done
	lab_agent_start --token-file "$LAB_DIR/tokens" || close_and_fail "the agent does not start"
	lab_carry page "$page_port" 9480 || close_and_fail "the agent's page cannot be shown"
	lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check http --check-path /health ||
		close_and_fail "the service web does not come up"
	lab_service web6 "tcp://[$LAB_VIP6]:80" "1 2 3" --check http --check-path /health ||
		close_and_fail "the service web6 does not come up"
}

explain() {
	local client="nsenter --net=/run/netns/$LAB-client"
	cat <<-TEXT
		The lab is open: a client, a balancer (lb) and four servers b1 to b4 in namespaces.
		The services web (IPv4) and web6 (IPv6) have the servers b1, b2, b3; b4 is idle.

		In a browser on this host:
		  http://127.0.0.1:$page_port/           (a token for its buttons: $(cut -d ' ' -f 2 "$LAB_DIR/tokens"))

		As the client:
		  $client curl http://$LAB_VIP4/
		  $client curl 'http://[$LAB_VIP6]/'
		  $client wrk -c 50 -d 10s http://$LAB_VIP4/

		As the operator:
		  alias lbctl='$LAB_BUILD/lbctl --socket $LAB_SOCKET'
		  lbctl show web
		  lbctl add backend web 198.18.1.14
		  lbctl drain backend web 198.18.1.11
		  curl http://127.0.0.1:$page_port/metrics

		Break something:
		  $client curl -X PUT 'http://198.18.1.12/health?status=503'   (status=200 heals it)
		  ip -n $LAB-switch link set b3 down

		Look inside:
		  nsenter --net=/run/netns/$LAB-lb bash     (client, lb, switch, b1 to b4)
		  bpftool prog show name lb_ingress
		  tail -f $LAB_LOG

		'make monitor' adds Prometheus and Alertmanager. 'make lab-down' closes the lab and ends every
		process in its namespaces.
	TEXT
}

# --- monitoring ---

# start_or_reload LABEL CMD...: what runs already reads its configuration again.
start_or_reload() {
	local label=$1
	shift
	if lab_running "$label"; then
		kill -HUP "$(lab_pid "$label")"
	else
		"$@" || monitor_fails
	fi
}

# What was started stays as it is, for whoever looks after the reason.
monitor_fails() {
	lab_fail "the monitoring is not whole; 'make monitor-down' ends what runs of it"
	exit 1
}

monitor() {
	need_port PROMETHEUS_PORT carry-prometheus "$prometheus_port"
	need_port ALERTMANAGER_PORT carry-alertmanager "$alertmanager_port"
	need_port NODE_PORT carry-node_exporter "$node_port"
	open_lab
	lab_monitor_config 5 || monitor_fails
	lab_running webhook || lab_webhook_start 9099 || monitor_fails
	lab_running node_exporter || lab_node_exporter_start 9100 || monitor_fails
	start_or_reload alertmanager lab_alertmanager_start 9093 "$LAB_MONITOR/alertmanager.yml" \
		"$LAB_MONITOR/data/alertmanager" --web.external-url="http://127.0.0.1:$alertmanager_port"
	start_or_reload prometheus lab_prometheus_start 9090 "$LAB_MONITOR/prometheus.yml" \
		"$LAB_MONITOR/data/prometheus" --web.external-url="http://127.0.0.1:$prometheus_port"
	lab_carry carry-prometheus "$prometheus_port" 9090 || monitor_fails
	lab_carry carry-alertmanager "$alertmanager_port" 9093 || monitor_fails
	lab_carry carry-node_exporter "$node_port" 9100 || monitor_fails
}

monitor_down() {
	local label
	for label in prometheus alertmanager node_exporter; do
		lab_end "carry-$label" TERM
	done
	lab_monitor_stop
}

explain_monitor() {
	cat <<-TEXT
		The lab is watched. On this host:
		  the agent's page  http://127.0.0.1:$page_port/           its figures: /metrics
		  Prometheus        http://127.0.0.1:$prometheus_port/targets    also /alerts, /graph
		  Alertmanager      http://127.0.0.1:$alertmanager_port/           for amtool
		  node_exporter     http://127.0.0.1:$node_port/metrics

		Give it something to see:
		  nsenter --net=/run/netns/$LAB-client wrk -c 50 -d 60s http://$LAB_VIP4/

		Ask:
		  promtool query instant http://127.0.0.1:$prometheus_port 'service:lb_service_packets:rate1m'
		  amtool --alertmanager.url http://127.0.0.1:$alertmanager_port alert

		Let an alert come: a server dies; within two minutes Alertmanager tells its webhook.
		  kill -KILL \$(cat $LAB_DIR/b2.pid)
		  tail -f $LAB_DIR/webhook.log | jq .

		Each alert names its section in docs/runbooks.md. 'make lab' says what else the lab can do,
		'make monitor' again takes up changed files of prometheus/, 'make monitor-down' ends this,
		'make lab-down' all.
	TEXT
}

case ${1:-} in
'')
	open_lab
	explain
	;;
down)
	monitor_down
	lab_down
	;;
monitor)
	monitor
	explain_monitor
	;;
monitor-down)
	monitor_down
	;;
*)
	echo "usage: open.sh [down|monitor|monitor-down]" >&2
	exit 2
	;;
esac
