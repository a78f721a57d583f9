#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The driver systemd on a real systemd, the first process of a host of its own: namespaces for
# processes, mounts and control groups, in the network of b1. It runs the example unit, hello@.service.
LAB_BACKENDS=1
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

units=$LAB_DIR/units claims=$LAB_DIR/claims

# The units are the driver's example and what systemd itself cannot be without.
make_units() {
	local unit
	mkdir "$units" || return
	for unit in default sysinit basic shutdown; do
		printf '[Unit]\nDescription=%s\nDefaultDependencies=no\n' $unit >"$units/$unit.target"
	done
	# The unit has no home directories and a /tmp of its own; the tree may be in either.
	cp "$LAB_BUILD/hello" "$LAB_DIR/hello.run" || return
	sed "s|/usr/local/bin/hello|$LAB_DIR/hello.run|" "$LAB_TOP/drivers/hello@.service" \
		>"$units/hello@.service"
}

# /run is the host's own; LAB_DIR stays where it is.
boot() {
	# shellcheck disable=SC2016 # expanded by the inner shell
	lab_spawn b1 systemd unshare --mount --pid --fork --mount-proc --cgroup --uts --ipc sh -euc '
		mount --bind "$1" /mnt
		mount -t tmpfs -o mode=755 tmpfs /run
		mkdir -p "$1"
		mount --bind /mnt "$1"
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		export container=lab SYSTEMD_UNIT_PATH="$1/units"
		exec /lib/systemd/systemd --system --unit=default.target' _ "$LAB_DIR"
}

# The first process of the host, as it is called outside
init() {
	pgrep --parent "$(lab_pid systemd)"
}

host() {
	nsenter --target "$(init)" --mount --pid --net --cgroup --uts -- env SYSTEMD_IGNORE_CHROOT=1 "$@"
}

booted() {
	[ "$(host systemctl is-system-running)" = running ]
}

driver() {
	host env SLUICE_DRIVER_STATE="$claims" sh "$LAB_TOP/drivers/systemd" - 198.18.1.11 hello 8001-8002 "$@"
}

is() {
	host systemctl is-active "hello@$1.service"
}

answers() {
	lab_curl -o /dev/null "http://198.18.1.11:$1/health"
}

lab_up || exit 1
make_units && boot
check "systemd is up" wait_until 30 booted || exit 1
check_equal "up: where it is" '{"address": "198.18.1.11:8001"}' "$(driver up web id-1)"
check_equal "it runs" active "$(is 8001)"
check "and answers" wait_until 10 answers 8001
check_equal "the same again is the same" '{"address": "198.18.1.11:8001"}' "$(driver up web id-1)"
check_equal "another one has another port" '{"address": "198.18.1.11:8002"}' "$(driver up web id-2)"
check "and answers, too" wait_until 10 answers 8002
check_matches "for a third there is no port" 'no port of 8001-8002 is free' "$(driver up web id-3 2>&1)"
check "down" driver down web id-1
check_equal "it is stopped" inactive "$(is 8001)"
check "down again is done already" driver down web id-1
check_equal "the other one is not" active "$(is 8002)"
check_equal "the port is free again" '{"address": "198.18.1.11:8001"}' "$(driver up web id-3)"
host systemctl kill --signal=KILL hello@8002.service
failed() {
	[ "$(is 8002)" = failed ]
}
check "a dead one is failed" wait_until 10 failed
check "and is put away" driver down web id-2
check_equal "nothing of it is left" 8001 "$(ls "$claims/--hello")"
check_matches "a unit that is not there: systemd's words" 'not found' \
	"$(host env SLUICE_DRIVER_STATE="$claims" sh "$LAB_TOP/drivers/systemd" - 198.18.1.11 nothing \
		8001-8002 up web id-4 2>&1)"
checks_done
