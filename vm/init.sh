#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Process 1 of the guest, run by busybox in the initramfs that kernel.sh makes. The host's root,
# read-only over 9p below a tmpfs that takes what is written, becomes the root of one command;
# its output goes to the first port, its exit status to the second one (boot.sh reads both).
# It must become the root of process 1, too: that is where the kernel looks for modprobe.

# mount_host: the host's files, writable, at /guest.
mount_host() {
	mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /lower
	mount -t tmpfs -o mode=755 tmpfs /upper
	mkdir /upper/upper /upper/work
	mount -t overlay -o lowerdir=/lower,upperdir=/upper/upper,workdir=/upper/work overlay /guest
}

# mount_kernel: what is the kernel's own, and /run.
mount_kernel() {
	mount --move /dev /guest/dev
	ln -s /proc/self/fd /guest/dev/fd # shells' <(...) need it
	mkdir -p /guest/dev/pts /guest/dev/shm
	mount -t devpts devpts /guest/dev/pts
	mount -t tmpfs tmpfs /guest/dev/shm
	mount -t tmpfs -o mode=755 tmpfs /guest/run
	mount -t proc proc /guest/proc
	mount -t sysfs sysfs /guest/sys
	mount -t cgroup2 cgroup2 /guest/sys/fs/cgroup
	mount -t bpf bpf /guest/sys/fs/bpf
	mount -t tracefs tracefs /guest/sys/kernel/tracing
	mount -t debugfs debugfs /guest/sys/kernel/debug
}

first() {
	PATH=/bin
	export PATH
	/bin/busybox --install -s /bin
	mount -t devtmpfs dev /dev
	for module in /modules/*.ko; do
		insmod "$module"
	done
	mount_host
	mount_kernel
	# The directory of kernel.sh, and the command; both from boot.sh.
	mkdir -p /guest/lib/modules
	mount -o bind "/guest$(cat /directory)/lib/modules" /guest/lib/modules
	cp /command /init /bin/busybox /guest/run/
	exec switch_root /guest /run/busybox sh /run/init
}

# port NAME: its device. A port has its name in sysfs, and may come a moment after its driver.
port() {
	tries=0
	while [ "$tries" -lt 1200 ]; do
		for entry in /sys/class/virtio-ports/*; do
			[ "$(cat "$entry/name" 2>/dev/null)" = "$1" ] || continue
			echo "/dev/${entry##*/}"
			return
		done
		tries=$((tries + 1))
		sleep 0.05
	done
}

second() {
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	export PATH HOME=/root
	hostname guest
	ip link set lo up
	bash /run/command >"$(port output)" 2>&1 </dev/null
	echo $? >"$(port status)"
	/run/busybox poweroff -f
}

if [ -e /command ]; then
	first
else
	second
fi
