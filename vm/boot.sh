#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Runs one command below another kernel: boots it in QEMU, on the host's own files.
#   vm/boot.sh [-t SECONDS] PACKAGE COMMAND [ARG]...
# The command sees the host's root file system as it is; what it writes goes to memory and is
# gone at the end. It runs as root, in the directory where boot.sh was called, and has no network
# but what it makes. Its output and its exit status are boot.sh's own; 124 if the time is up, 125
# if the guest ended without a status. The kernel's messages are in build/vm/PACKAGE/console.log.
#
# QEMU translates (tcg), it never uses KVM: it works on any machine, and is some ten times slower.
set -euo pipefail

limit=300
if [ "$1" = -t ]; then
	limit=$2
	shift 2
fi
[ $# -ge 2 ] || { echo "usage: vm/boot.sh [-t SECONDS] PACKAGE COMMAND [ARG]..." >&2; exit 2; }
dir=$("$(dirname "$0")/kernel.sh" "$1")
shift

run=$(mktemp -d "$dir/run.XXXXXX")
qemu=
# shellcheck disable=SC2317 # called by the trap
clean() {
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
	-smp 2 -m 3072 \
	-kernel "$dir/vmlinuz" -initrd "$run/initramfs" \
	-append 'console=ttyS0 panic=-1 mitigations=off random.trust_cpu=on' \
	-serial "file:$dir/console.log" \
	-virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
	-device virtio-serial-pci \
	-chardev "file,id=output,path=$run/output" \
	-device virtserialport,chardev=output,name=output \
	-chardev "file,id=status,path=$run/status" \
	-device virtserialport,chardev=status,name=status </dev/null >"$run/qemu" 2>&1 &
qemu=$!
if ! timeout "$limit" tail --pid="$qemu" --sleep-interval=0.1 -n +1 -f "$run/output"; then
	echo "vm: ended by its time limit of $limit s" >&2
	exit 124
fi
wait "$qemu" || cat "$run/qemu" >&2
qemu=
status=$(cat "$run/status")
if [ -z "$status" ]; then
	echo "vm: the guest ended without a status; its last words:" >&2
	tail -n 20 "$dir/console.log" >&2
	exit 125
fi
exit "$status"
