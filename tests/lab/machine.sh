# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A machine in namespaces: a systemd of its own, on an overlay of this host's files, runs the
# caller's script a second time. Nothing that it does stays.
#
# The script is SCRIPT outside, SCRIPT begin DIR on the way, SCRIPT inside in there, where it ends
# with machine_done; it has a function machine_prepare ROOT that puts into the machine what it
# needs, and sets top and build, the tree's and what is built. In there, units of /etc/lab-units go before others, and /run/lab is shared with outside.

# machine_place DIR: the file system in which systemd starts, made in mount and net namespaces of
# its own
machine_place() {
	local dir=$1 root=$1/root
	mkdir "$dir/upper" "$dir/work" "$root" &&
		mount -t overlay overlay -o "lowerdir=/,upperdir=$dir/upper,workdir=$dir/work" "$root" &&
		mount -t proc proc "$root/proc" && mount --bind "$root/proc/sys" "$root/proc/sys" &&
		mount -o remount,ro,bind "$root/proc/sys" && mount -t sysfs sysfs "$root/sys" &&
		mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup" && mount --rbind /dev "$root/dev" &&
		mount --bind /dev/null "$root/dev/console" && mount -t bpf -o mode=700 bpf "$root/sys/fs/bpf" &&
		mount -t tmpfs tmpfs "$root/run" && mount -t tmpfs tmpfs "$root/tmp" &&
		mkdir -p "$root/run/lab" "$root/run/old" "$root${top:?}" && mount --bind "$dir/lab" "$root/run/lab" &&
		mount --bind "$top" "$root$top" && machine_units "$root" && machine_prepare "$root"
}

# machine_units ROOT: no more than it takes to run the script; none of this host's.
machine_units() {
	local units=$1/etc/lab-units unit
	mkdir -p "$units" || return
	for unit in basic sysinit shutdown umount final network-online; do
		echo "[Unit]" >"$units/$unit.target"
	done
	printf '%s\n' '[Unit]' 'DefaultDependencies=no' 'Wants=lab.service' >"$units/lab.target"
	printf '%s\n' '[Unit]' 'DefaultDependencies=no' '[Service]' 'Type=oneshot' \
		'StandardOutput=append:/run/lab/out' 'StandardError=append:/run/lab/out' \
		"Environment=O=${build:?} SLOWER=${SLOWER:-1}" "ExecStart=/bin/bash $machine_script inside" \
		'ExecStopPost=/bin/systemctl poweroff --force --force' >"$units/lab.service"
}

# machine_log ROOT UNIT: what the service says goes to /run/lab/UNIT.log
machine_log() {
	mkdir -p "$1/etc/lab-units/$2.service.d" &&
		printf '%s\n' '[Service]' "StandardOutput=append:/run/lab/$2.log" \
			"StandardError=append:/run/lab/$2.log" >"$1/etc/lab-units/$2.service.d/lab.conf"
}

# machine_begin DIR: becomes systemd, in the namespaces that this runs in
machine_begin() {
	machine_place "$1" || exit 1
	cd "$1/root" && pivot_root . run/old || exit 1
	exec chroot . /usr/bin/env -i container=lab SYSTEMD_UNIT_PATH=/etc/lab-units: \
		PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin /bin/bash -c \
		'umount -l /run/old; exec /lib/systemd/systemd --system --unit=lab.target --show-status=no'
}

# machine_run WHAT: the whole of it, from outside; fails if a case in there failed.
machine_run() {
	local what=$1 hierarchy cgroup dir
	hierarchy=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
	[ "$(id -u)" -eq 0 ] || { skip "$what" "needs root" && exit 0; }
	[ -x /lib/systemd/systemd ] || { skip "$what" "systemd is not installed" && exit 0; }
	[ -n "$hierarchy" ] || { skip "$what" "there is no cgroup2 hierarchy" && exit 0; }
	dir=$(mktemp -d /run/sluice-machine.XXXXXX) && mkdir "$dir/lab" || exit 1
	mount -t tmpfs tmpfs "$dir" && mkdir "$dir/lab" || exit 1
	cgroup=$hierarchy/${dir##*/}
	mkdir "$cgroup" || exit 1
	# shellcheck disable=SC2064 # now
	trap "machine_leave '$dir' '$hierarchy' '$cgroup'" EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	echo $$ >"$cgroup/cgroup.procs"
	timeout -s KILL $((100 * ${SLOWER:-1})) unshare --pid --fork --kill-child --mount --propagation private --cgroup \
		--uts --ipc --net bash "$machine_script" begin "$dir" >"$dir/lab/systemd.log" 2>&1
	if grep -q '^that is all$' "$dir/lab/out" 2>/dev/null; then
		grep -v '^that is all$' "$dir/lab/out"
		! grep -q '^not ok' "$dir/lab/out"
		return
	fi
	not_ok "$what: systemd runs it to the end" "$(tail -n 20 "$dir"/lab/*)"
	return 1
}

# machine_leave DIR HIERARCHY CGROUP
machine_leave() {
	echo $$ >"$2/cgroup.procs"
	[ ! -e "$3/cgroup.kill" ] || echo 1 >"$3/cgroup.kill"
	while grep -q 'populated 1' "$3/cgroup.events"; do sleep 0.05; done
	find "$3" -depth -type d -exec rmdir {} \;
	umount "$1" && rmdir "$1/lab" "$1"
}

machine_done() {
	echo 'that is all'
}

# until_ok SECONDS CMD...: until CMD succeeds
until_ok() {
	local end=$((SECONDS + $1 * ${SLOWER:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

machine_script=$(realpath "$0")
