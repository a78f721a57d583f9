# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Prometheus, Alertmanager and what they need, beside a lab. Source it behind lab.sh.
#
# They run in the balancer's namespace: there the agent's loopback listener and the backends'
# addresses can be scraped without any way out of the lab, every lab may use the same ports, and what
# is forgotten there goes with the lab. Only their own pages are carried out, by lab_carry.

LAB_MONITOR=$LAB_DIR/monitor # configuration and data

# --- ports of the root namespace ---

# lab_port_holder ADDR:PORT: who listens there, or on every address, as "NAME (pid N)".
lab_port_holder() {
	ss -Hltnp "sport = :${1##*:}" | awk -v wanted="$1" -v any='^(0\\.0\\.0\\.0|\\*|\\[::\\]):' '
		$4 == wanted || $4 ~ any {
			split($6, part, /[",=]/)
			print part[2] ? part[2] " (pid " part[5] ")" : "a process of another namespace"
		}' | head -n 1
}

lab_connects() {
	: <"/dev/tcp/${1/://}"
}

lab_carried() {
	[ "/proc/$(lab_pid "$1")/ns/net" -ef "/run/netns/$LAB-lb" ]
}

# lab_carry LABEL PORT INNER-PORT: connections to 127.0.0.1:PORT of the root namespace end at that of
# the balancer's namespace. The socket is made outside and inherited by a proxy that lives inside, so
# no packet ever has a way between the two. The first connection moves it inside.
lab_carry() {
	local label=$1 outer=127.0.0.1:$2 inner=127.0.0.1:$3 holder
	! lab_running "$label" || return 0
	holder=$(lab_port_holder "$outer")
	[ -z "$holder" ] || lab_fail "$outer is taken by $holder" || return
	(exec setsid systemd-socket-activate -l "$outer" nsenter --net="/run/netns/$LAB-lb" -- \
		/lib/systemd/systemd-socket-proxyd "$inner" </dev/null >"$LAB_DIR/$label.log" 2>&1) &
	echo $! >"$LAB_DIR/$label.pid"
	echo "$2" >"$LAB_DIR/$label.port"
	disown
	wait_until 10 lab_connects "$outer" && wait_until 10 lab_carried "$label" && return
	lab_fail "cannot carry $outer into the lab: $(tail -n 1 "$LAB_DIR/$label.log")"
}

# lab_carried_port LABEL: the outer port, while it is carried.
lab_carried_port() {
	lab_running "$1" && cat "$LAB_DIR/$1.port" 2>/dev/null
}

# --- servers in the balancer's namespace ---

lab_answers() {
	lab_exec lb curl -sf --max-time 2 -o /dev/null "$1"
}

# lab_serve LABEL URL CMD...: starts CMD; returns when URL answers.
lab_serve() {
	local label=$1 url=$2
	shift 2
	! lab_running "$label" || lab_fail "$label runs already" || return
	lab_spawn lb "$label" "$@"
	wait_until 20 lab_answers "$url" && lab_running "$label" && return
	lab_fail "$label does not start; its last lines:"
	tail -n 5 "$LAB_DIR/$label.log" >&2
	lab_end "$label" KILL
	return 1
}

# lab_prometheus_start PORT CONFIG DATA [FLAG...]: on 127.0.0.1 of the balancer's namespace. CONFIG
# is a file, DATA a directory of its own. So the next ones.
lab_prometheus_start() {
	local address=127.0.0.1:$1 config=$2 data=$3
	shift 3
	lab_serve prometheus "http://$address/-/ready" prometheus --web.listen-address="$address" \
		--config.file="$config" --storage.tsdb.path="$data" --storage.tsdb.retention.size=256MB "$@"
}

# lab_alertmanager_start PORT CONFIG DATA [FLAG...]
lab_alertmanager_start() {
	local address=127.0.0.1:$1 config=$2 data=$3
	shift 3
	lab_serve alertmanager "http://$address/-/ready" prometheus-alertmanager \
		--web.listen-address="$address" --cluster.listen-address= \
		--config.file="$config" --storage.path="$data" "$@"
}

# lab_node_exporter_start PORT [FLAG...]: of the machine, with the balancer's interfaces. What it
# reads below /sys/class/net would be the root namespace's.
lab_node_exporter_start() {
	local address=127.0.0.1:$1
	shift
	lab_serve node_exporter "http://$address/" prometheus-node-exporter \
		--web.listen-address="$address" --collector.netclass.netlink --no-collector.textfile "$@"
}

# lab_webhook_start PORT: prints each alert that it is told as a line of JSON, to webhook.log.
lab_webhook_start() {
	lab_spawn lb webhook /usr/bin/python3 "$LAB_TOP/tests/lab/webhook.py" "$1"
	wait_until 10 lab_listening lb "$1" || lab_fail "the webhook's receiver does not start"
}

# lab_monitor_stop: the four, whichever run; they take seconds, and so all at once.
lab_monitor_stop() {
	local label labels="node_exporter prometheus alertmanager webhook" status=0
	for label in $labels; do
		! lab_running "$label" || kill -TERM "$(lab_pid "$label")"
	done
	for label in $labels; do
		lab_end "$label" TERM || status=1
	done
	return $status
}

# --- their configuration ---

# lab_targets JOB ADDR:PORT...: whom Prometheus scrapes for a job; it notices by itself.
lab_targets() {
	local job=$1
	shift
	# $ARGS is jq's
	# shellcheck disable=SC2016
	jq -cn '[{targets: $ARGS.positional}]' --args "$@" >"$LAB_MONITOR/targets/$job.json.new" &&
		mv "$LAB_MONITOR/targets/$job.json.new" "$LAB_MONITOR/targets/$job.json"
}

# lab_monitor_config SECONDS: the configuration that users have, in LAB_MONITOR, but for whom it
# scrapes and how often; PORTs are those of prometheus/.
lab_monitor_config() {
	local i apps=()
	mkdir -p "$LAB_MONITOR" && cp -r "$LAB_TOP"/prometheus/. "$LAB_MONITOR" || return
	sed -i -E "s/^( *(scrape|evaluation)_interval): .*/\1: ${1}s/" "$LAB_MONITOR/prometheus.yml" ||
		return
	for ((i = 1; i <= LAB_BACKENDS; i++)); do
		apps+=("198.18.1.1$i:80")
	done
	lab_targets webapp "${apps[@]}"
}
