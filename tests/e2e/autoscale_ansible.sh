#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The autoscaler with its Ansible driver: the real playbook, by ssh to hosts of the lab.
LAB_BACKENDS=3
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
drivers=$LAB_TOP/drivers ssh=$LAB_DIR/ssh
mkdir -p "$ssh" /run/sshd
for key in host user; do
	ssh-keygen -q -t ed25519 -N '' -f "$ssh/$key" || bail "keys are made"
done
# Not root's home: what stands in its .bashrc would be run with every command.
cat >"$ssh/config" <<-CONF
	HostKey $ssh/host
	AuthorizedKeysFile $ssh/user.pub
	StrictModes no
	PasswordAuthentication no
	UsePAM no
	PermitRootLogin prohibit-password
	PidFile none
	SetEnv HOME=$LAB_DIR
CONF
lab_backend_start 1 hello || exit 1
for i in 2 3; do
	lab_spawn "b$i" "b$i.sshd" /usr/sbin/sshd -D -e -f "$ssh/config" -o "ListenAddress=198.18.1.1$i"
	wait_until 10 lab_listening "b$i" 22 || bail "sshd in b$i listens"
	echo "198.18.1.1$i $(cut -d ' ' -f 1,2 "$ssh/host.pub")" >>"$ssh/known_hosts"
	# What an administrator would write: how the service is started on this host, and stopped.
	cat >"$LAB_DIR/start.b$i" <<-SH
		#!/bin/sh
		[ ! -s $LAB_DIR/b$i.pid ] || ! kill -0 "\$(cat $LAB_DIR/b$i.pid)" 2>/dev/null || exit 0
		setsid $LAB_BUILD/hello --name b$i --listen 80 </dev/null >$LAB_DIR/b$i.log 2>&1 &
		echo \$! >$LAB_DIR/b$i.pid
	SH
	cat >"$LAB_DIR/stop.b$i" <<-SH
		#!/bin/sh
		[ ! -s $LAB_DIR/b$i.pid ] || kill "\$(cat $LAB_DIR/b$i.pid)"
		rm -f $LAB_DIR/b$i.pid
	SH
	chmod +x "$LAB_DIR/start.b$i" "$LAB_DIR/stop.b$i"
done
cat >"$LAB_DIR/inventory" <<-INI
	[spares]
	b2 ansible_host=198.18.1.12 sluice_address=198.18.1.12:80 sluice_start=$LAB_DIR/start.b2 sluice_stop=$LAB_DIR/stop.b2 sluice_claim=$LAB_DIR/claim.b2
	b3 ansible_host=198.18.1.13 sluice_address=198.18.1.13:80 sluice_start=$LAB_DIR/start.b3 sluice_stop=$LAB_DIR/stop.b3 sluice_claim=$LAB_DIR/claim.b3
	[spares:vars]
	ansible_user=root
	ansible_ssh_private_key_file=$ssh/user
	ansible_ssh_common_args='-o UserKnownHostsFile=$ssh/known_hosts -o ConnectTimeout=5'
	ansible_python_interpreter=/usr/bin/python3
	ansible_remote_tmp=$LAB_DIR/ansible
INI

lab_agent_start --check-commands "$drivers" || exit 1
lbctl add service web --vip "tcp://$LAB_VIP4:80" --backend 198.18.1.11 --check http \
	--check-path /health --check-interval 200ms --rise 1 --fall 2 \
	--scale on --scale-interval 1s --scale-window 1s --scale-max 4 --scale-step 2 \
	--scale-failures 1 --scale-retry 1m --scale-drain 5s --scale-timeout 3m \
	--scale-driver "$drivers/ansible" --scale-driver "$LAB_DIR/inventory" \
	--scale-driver "$drivers/ansible.yml" >/dev/null || bail "a service with a policy is added"

lbctl scale web 2 >/dev/null
check "Ansible starts a backend on the first host" wait_until 180 lab_backends_are web 2
check_equal "it is b2's" 198.18.1.12:80 "$(lbctl --json scale web | jq -r '.launched[0].address')"
check_equal "and serves" b2 "$(lab_curl http://198.18.1.12/)"
id=$(lbctl --json scale web | jq -r '.launched[0].id')
check_equal "the host is claimed by its ID" "$id" "$(cat "$LAB_DIR/claim.b2")"
# The contract: the same again is the same.
check_matches "asked again, the driver has the same answer" '"198.18.1.12:80"' \
	"$(lab_exec lb "$drivers/ansible" "$LAB_DIR/inventory" "$drivers/ansible.yml" up web "$id" 2>&1)"
lbctl scale web 4 >/dev/null
refused() {
	lbctl events --kind scale-launch-failed | grep 'no host of the group spares is free'
}
check "of two more one finds no host, and the reason is the playbook's" wait_until 180 refused
check "the other serves" wait_until 60 lab_backends_are web 3
lbctl scale web 1 >/dev/null
check "fewer: drained" wait_until 60 lab_backends_are web 1
free() {
	[ ! -e "$LAB_DIR/claim.b2" ] && [ ! -e "$LAB_DIR/claim.b3" ] && lab_gone b2 && lab_gone b3
}
check "and stopped, the hosts given back" wait_until 180 free
checks_done
