#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The shipped drivers hold the contract of docs/autoscale.md: the same order twice is the same, what
# is not there is stopped, bad input is refused. systemctl is a fake that notes what it is told.
#
#   tests/unit/drivers.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck source-path=SCRIPTDIR/../lab
. tests/lab/check.sh

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/bin"
cat >"$scratch/bin/systemctl" <<-SH
	#!/bin/sh
	echo "\$*" >>"$scratch/told"
	[ ! -e "$scratch/broken" ] || { echo "Failed to start unit" >&2; exit 5; }
SH
chmod +x "$scratch/bin/systemctl"
export PATH=$scratch/bin:$PATH SLUICE_DRIVER_STATE=$scratch/state

# expect NAME STATUS OUTPUT CMD...: the exit status, and all that it prints.
expect() {
	local name=$1 status=$2 wanted=$3 output
	shift 3
	output=$("$@" 2>&1)
	check_equal "$name" "$status: $wanted" "$?: $output"
}

unit() {
	drivers/systemd - "${address:-198.18.1.11}" hello "${ports:-8001-8002}" "$@"
}

expect "up takes the first port" 0 '{"address": "198.18.1.11:8001"}' unit up web web-1
expect "again it is the same" 0 '{"address": "198.18.1.11:8001"}' unit up web web-1
address=2001:db8::11 expect "the next has the next port" 0 '{"address": "[2001:db8::11]:8002"}' \
	unit up web web-2
expect "no third" 1 'no port of 8001-8002 is free' unit up web web-3
expect "down" 0 '' unit down web web-1
expect "down again" 0 '' unit down web web-1
expect "what never was" 0 '' unit down web web-9
expect "the port is free again" 0 '{"address": "198.18.1.11:8001"}' unit up web web-3
expect "systemctl was told" 0 'start hello@8001.service
start hello@8001.service
start hello@8002.service
stop hello@8001.service
start hello@8001.service' cat "$scratch/told"
touch "$scratch/broken"
expect "what systemctl says is passed on" 5 'Failed to start unit' unit up web web-3
expect "what cannot be stopped keeps its port" 5 'Failed to start unit' unit down web web-3
rm "$scratch/broken"
: >"$scratch/told"
expect "another host is asked by ssh" 0 '{"address": "198.18.1.12:8001"}' \
	drivers/systemd b2 198.18.1.12 hello 8001-8002 up web web-4
expect "with its name" 0 '--host b2 start hello@8001.service' cat "$scratch/told"
ports=80 expect "one port is a range too" 0 '{"address": "198.18.1.11:80"}' unit up web web-5
ports=a-b expect "no ports" 1 'a-b: not ports like 8001-8016' unit up web web-5
expect "neither up nor down" 1 'list: neither up nor down' unit list web web-5
expect "too few words" 2 'usage: systemd HOST ADDR NAME FIRST-LAST up|down SERVICE ID' \
	drivers/systemd up web web-1
expect "lab: too few words" 2 'usage: lab DIR up|down SERVICE ID' drivers/lab up web web-1
expect "lab: nobody there" 1 'no lab_launcher at /nowhere' drivers/lab /nowhere up web web-1
expect "ansible: too few words" 2 'usage: ansible INVENTORY PLAYBOOK up|down SERVICE ID' \
	drivers/ansible up web web-1
expect "ansible: neither up nor down" 2 'list: neither up nor down' \
	drivers/ansible /dev/null drivers/ansible.yml list web web-1
sed 's|/usr/local/bin/hello|/bin/true|' 'drivers/hello@.service' >"$scratch/hello@.service"
expect "the example unit is one" 0 '' systemd-analyze verify --man=no "$scratch/hello@8001.service"
checks_done
