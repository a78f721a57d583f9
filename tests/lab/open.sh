#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# open.sh        opens a lab to play in: three servers and a service, ready to be asked
# open.sh down   closes it
LAB=sluice-lab
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lab.sh"

close_and_fail() {
	lab_down
	lab_fail "$*"
	exit 1
}

open_lab() {
	local i
	lab_up keep || exit 1
	for i in 1 2 3 4; do
		lab_backend_start "$i" hello || close_and_fail "server b$i does not start"
	done
	lab_agent_start || close_and_fail "the agent does not start"
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

		As the client:
		  $client curl http://$LAB_VIP4/
		  $client curl 'http://[$LAB_VIP6]/'
		  $client wrk -c 50 -d 10s http://$LAB_VIP4/

		As the operator:
		  alias lbctl='$LAB_BUILD/lbctl --socket $LAB_SOCKET'
		  lbctl show web
		  lbctl add backend web 198.18.1.14
		  lbctl drain backend web 198.18.1.11
		  curl --unix-socket $LAB_SOCKET http://lbagent/metrics

		Break something:
		  $client curl -X PUT 'http://198.18.1.12/health?status=503'   (status=200 heals it)
		  ip -n $LAB-switch link set b3 down

		Look inside:
		  nsenter --net=/run/netns/$LAB-lb bash     (client, lb, switch, b1 to b4)
		  bpftool prog show name lb_ingress
		  tail -f $LAB_LOG

		'make lab-down' closes it and ends every process in its namespaces.
	TEXT
}

case ${1:-} in
'')
	open_lab
	explain
	;;
down)
	lab_down
	;;
*)
	echo "usage: open.sh [down]" >&2
	exit 2
	;;
esac
