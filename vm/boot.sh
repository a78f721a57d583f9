#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs one command below another kernel: boots it in QEMU, on the host's own files.
#   vm/boot.sh [-t SECONDS] [-m MIB] [-p PROCESSORS] [-n NAME,MAC,SOCKET] PACKAGE COMMAND [ARG]...
# The command sees the host's root file system as it is; what it writes goes to memory and is
# gone at the end. It runs as root, in the directory where boot.sh was called, and has no network
# but what it makes, and with -n a virtio card with this address at the switch that listens there.
# Its output and its exit status are boot.sh's own; 124 if the time is up, 125 if the guest ended
# without a status. The kernel's messages are in build/vm/PACKAGE/console[-NAME].log.
#
# A busy host gives the guest no regular timer, on which its kernel's check of the timer would end:
# no_timer_check.
#
# QEMU translates (tcg), it never uses KVM: it works on any machine, and is some ten times slower.
set -euo pipefail

usage() {
	echo "usage: vm/boot.sh [-t SECONDS] [-m MIB] [-p PROCESSORS] [-n NAME,MAC,SOCKET] PACKAGE COMMAND [ARG]..." >&2
	exit 2
}

limit=300 memory=3072 processors=2 name='' card=()
while getopts t:m:p:n: flag; do
	case $flag in
	t) limit=$OPTARG ;;
	m) memory=$OPTARG ;;
	p) processors=$OPTARG ;;
	n)
		IFS=, read -r name mac socket <<<"$OPTARG"
		card=(-netdev "stream,id=card,addr.type=unix,addr.path=$socket"
			-device "virtio-net-pci,netdev=card,mac=$mac,romfile=")
		;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 2 ] || usage
dir=$("$(dirname "$0")/kernel.sh" "$1")
console=$dir/console${name:+-$name}.log
shift

run=$(mktemp -d "$dir/run.XXXXXX")
qemu='' reader=''
# shellcheck disable=SC2317 # called by the trap
clean() {
	[ -z "$reader" ] || kill "$reader" 2>/dev/null || true
	[ -z "$qemu" ] || { kill -KILL "$qemu" && wait "$qemu"; } 2>/dev/null || true
	rm -rf "$run"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A second archive behind the first one: the command, in the words that it came in.
{
	printf 'cd %q && exec' "$PWD"
	printf ' %q' "$@"
	echo
} >"$run/command"
echo "$dir" >"$run/directory"
(cd "$run" && printf '%s\n' command directory | cpio --quiet --create --format newc) >"$run/more"
cat "$dir/initramfs" "$run/more" >"$run/initramfs"
touch "$run/output" "$run/status"

qemu-system-x86_64 -accel tcg -nographic -no-reboot -monitor none -nodefaults \
	-smp "$processors" -m "$memory" "${card[@]}" \
	-kernel "$dir/vmlinuz" -initrd "$run/initramfs" \
	-append 'console=ttyS0 panic=-1 no_timer_check mitigations=off random.trust_cpu=on' \
	-serial "file:$console" \
	-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
	-device virtio-serial-pci \
	-chardev "file,id=output,path=$run/output" \
	-device virtserialport,chardev=output,name=output \
	-chardev "file,id=status,path=$run/status" \
	-device virtserialport,chardev=status,name=status </dev/null >"$run/qemu" 2>&1 &
qemu=$!
# In the background, so that a signal ends this at once.
timeout "$limit" tail --pid="$qemu" --sleep-interval=0.1 -n +1 -f "$run/output" &
reader=$!
if ! wait "$reader"; then
	echo "vm: ended by its time limit of $limit s" >&2
	exit 124
fi
wait "$qemu" || cat "$run/qemu" >&2
qemu=
status=$(cat "$run/status")
if [ -z "$status" ]; then
	echo "vm: the guest ended without a status; its last words:" >&2
	tail -n 20 "$console" >&2
	exit 125
fi
exit "$status"
