#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs from Debian what Sluice needs and what is missing; says so, and is silent otherwise.
#   tests/lab/deps.sh [vm|deb]     also what `make test-vm` needs, or `make deb`
set -eu

# Compilers, BPF tools and the libraries that the programs link.
build='gcc make clang llvm bpftool libc6-dev linux-libc-dev
	libbpf-dev libxdp-dev libelf-dev zlib1g-dev libmicrohttpd-dev libgnutls28-dev libcap-dev
	libuv1-dev libcjson-dev libcurl4-openssl-dev libhttp-parser-dev libssl-dev libmnl-dev
	libsmartcols-dev libsystemd-dev libsqlite3-dev libhiredis-dev libmariadb-dev libjs-chart.js'

# The namespace lab: links, namespaces, load, reading answers.
demo='iproute2 ethtool procps util-linux mount jq curl wrk'

# Unit tests, fuzzers, servers to balance, a DNS client, a capture, and what `make lint` runs.
tests='git dpkg-dev libclang-rt-14-dev libcmocka-dev libpcap-dev nginx-light nsd dnsperf tcpdump
	iputils-ping traceroute libfaketime tshark stress-ng clang-format clang-tidy cppcheck shellcheck
	man-db xdp-tools openssl libcap2-bin systemd tmux python3 prometheus prometheus-alertmanager
	prometheus-node-exporter redis-server mariadb-server ansible-core openssh-server
	openssh-client chromium nodejs eslint vagrant'

# Peers to compare with.
peers='haproxy nftables libnginx-mod-stream'

# A database's figures, and the dashboards' source.
boards='prometheus-mysqld-exporter jsonnet'

# Routing daemons that export what lbagent announces.
routers='bird2 frr'

# Where a fleet's configuration is kept.
stores='etcd-server etcd-client'

# Other kernels: the machine, what its initramfs is made from, and modprobe.
vm='qemu-system-x86 busybox-static cpio kmod xz-utils ipvsadm'
[ "${1:-}" = vm ] || vm=

# Packages, and what Debian thinks of them.
deb='debhelper lintian fakeroot'
[ "${1:-}" = deb ] || deb=

missing=
for package in $build $demo $tests $peers $boards $routers $stores $vm $deb; do
	# Any package that provides nginx's binary is as good as the light one.
	[ "$package" = nginx-light ] && [ -x /usr/sbin/nginx ] && continue
	status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || status=
	[ "$status" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

echo "deps: installing from Debian:$missing"
if [ "$(id -u)" -ne 0 ]; then
	echo "deps: not root: run 'sudo make deps', or 'apt-get install$missing'" >&2
	exit 1
fi

# Debian starts a server when it installs one; the lab runs its own and no other. The policy is
# put back even if the installation fails.
policy=/usr/sbin/policy-rc.d
kept=
restore_policy() {
	rm -f "$policy"
	[ -z "$kept" ] || mv "$kept" "$policy"
}
if [ -e "$policy" ] || [ -L "$policy" ]; then
	kept=$policy.sluice-kept
	mv "$policy" "$kept"
fi
trap restore_policy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

# A fresh machine's own upgrade may be holding dpkg's lock for a while.
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends -o Dpkg::Use-Pty=0 $missing
echo "deps: done"
