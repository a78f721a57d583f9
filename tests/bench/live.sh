#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Packets a second of lb_ingress on a veth pair between two namespaces of the lab, beside programs that
# do nothing but send back; see live/lb_live.c. Prints a table, and leaves it in build/live.json.
#
#   tests/bench/live.sh [ROUNDS]     5
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/../lab/lab.sh"

LAB_BACKENDS=0
lab_up || exit 1
ip link add live netns "$LAB-client" type veth peer name live netns "$LAB-lb" || exit 1
ip -n "$LAB-client" link set live up && ip -n "$LAB-lb" link set live up || exit 1
"$LAB_BUILD/tests/bench/lb_live" "/run/netns/$LAB-client" "/run/netns/$LAB-lb" live "${1:-5}" \
	"$LAB_BUILD/live.json"
