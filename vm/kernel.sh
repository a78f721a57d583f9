#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes a Debian kernel ready to boot, without installing it, and prints its directory:
#   vm/kernel.sh PACKAGE       e.g. linux-image-6.1.0-56-amd64, or a metapackage
# In that directory, build/vm/NAME: vmlinuz, lib/modules (with modules.dep) and initramfs.
set -euo pipefail
cd "$(dirname "$0")/.."

build=$(mkdir -p "${O:-build}/vm" && cd "${O:-build}/vm" && pwd)

# What the initramfs needs to reach the host's files; the guest loads the rest from there.
early_modules='virtio_pci 9pnet_virtio 9p overlay virtio_console'

# The package that a metapackage depends on, or the one that was named.
resolve() {
	local real
	real=$(apt-cache depends --important "$1" |
		awk '$1 == "Depends:" && $2 ~ /^linux-image-[0-9]/ {print $2; exit}')
	echo "${real:-$1}"
}

# unpack NAME DIR: vmlinuz and modules of the package, and the modules' dependencies.
unpack() {
	local name=$1 dir=$2 version
	(cd "$dir" && apt-get -qq -o APT::Sandbox::User=root download "$name") >&2
	dpkg-deb --extract "$dir"/*.deb "$dir"
	version=$(basename "$dir"/lib/modules/*)
	depmod --basedir "$dir" "$version"
	mv "$dir/boot/vmlinuz-$version" "$dir/vmlinuz"
	rm -r "${dir:?}"/{boot,usr} "$dir"/*.deb
}

# early DIR: files of the early modules, each behind those that it needs.
early() {
	local version module
	version=$(basename "$1"/lib/modules/*)
	for module in $early_modules; do
		modprobe --dirname "$1" --set-version "$version" --show-depends "$module"
	done | awk '$1 == "insmod" && !seen[$2]++ {print $2}'
}

# initramfs DIR: busybox, init.sh and the early modules, numbered in the order to load them.
initramfs() {
	local tree=$1/tree file number=100
	rm -rf "$tree"
	mkdir -p "$tree"/{bin,dev,proc,modules,lower,upper,guest}
	cp /bin/busybox "$tree/bin/busybox"
	ln -s busybox "$tree/bin/sh"
	install -m 755 vm/init.sh "$tree/init"
	while read -r file; do
		number=$((number + 1))
		case $file in
		*.xz) xz --decompress --stdout "$file" ;;
		*) cat "$file" ;;
		esac >"$tree/modules/$number.ko"
	done < <(early "$1")
	(cd "$tree" && find . | cpio --quiet --create --format newc) >"$1/initramfs"
	rm -r "$tree"
}

name=$(resolve "$1")
dir=$build/$name
if [ ! -e "$dir/vmlinuz" ]; then
	echo "vm: fetching $name" >&2
	rm -rf "$dir" "$dir.new"
	mkdir "$dir.new"
	unpack "$name" "$dir.new"
	mv "$dir.new" "$dir"
fi
if [ ! "$dir/initramfs" -nt vm/init.sh ] || [ ! "$dir/initramfs" -nt vm/kernel.sh ]; then
	initramfs "$dir"
fi
echo "$dir"
