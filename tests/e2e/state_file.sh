#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What can happen to the state file: torn, filled with garbage, of a newer version, of somebody
# else, gone, on a full disk. The last good state is kept and served, and a sentence says what is.
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

LAB_BACKENDS=1
lab_up || exit 1
trap 'lab_agent_kill; umount "$LAB_DIR/state" 2>/dev/null; lab_down' EXIT
lab_backend_start 1 hello || exit 1
# A disk of its own, which can be filled.
mkdir "$LAB_DIR/state"
mount -t tmpfs -o size=256k,mode=750 tmpfs "$LAB_DIR/state" || bail "a small disk is mounted"
state=$LAB_DIR/state/state.json

lab_agent_start || exit 1
lab_service web "tcp://$LAB_VIP4:80" 1 --check none || bail "the service comes up"
lbctl set backend web 198.18.1.11 --weight 7 >/dev/null
lab_agent_stop
good=$(cat "$state") backup=$(cat "$state.bak")

# restore: the files as they were.
restore() {
	lab_gone lbagent || lab_agent_stop
	rm -rf "$state" "$state.bak" "$state.bad"
	(umask 077 && echo "$good" >"$state" && echo "$backup" >"$state.bak")
}

last_log() {
	tail -n 12 "$LAB_LOG"
}

services() {
	lbctl --json show | jq -r '[.services[].name] | join(" ")'
}

# falls_back NAME PATTERN: it starts from the backup, says so, and keeps what was damaged.
falls_back() {
	check "$1: the agent starts" lab_agent_start
	check_matches "$1: it says so" \
		"state restored.*$2.*kept it as state.json.bad and loaded state.json.bak" \
		"$(last_log)"
	check_equal "$1: the last good state is served" web "$(services)"
	[ "$(services)" = web ] || lost=$((lost + 1))
	check "$1: traffic flows" lab_curl --fail "$LAB_URL4/"
	check "$1: what was damaged is kept" test -e "$state.bad"
	check "$1: changes are saved" lbctl set backend web 198.18.1.11 --weight 9
	restore
}

# refused NAME PATTERN: it does not start, says why and what helps; nothing is touched.
refused() {
	local before after
	before=$(ls -l --time-style=+ "$LAB_DIR/state")
	! lab_agent_start >"$LAB_DIR/out" 2>&1
	check_equal "$1: the agent does not start" 0 "$?"
	check_matches "$1: it says why" "$2" "$(cat "$LAB_DIR/out")"
	after=$(ls -l --time-style=+ "$LAB_DIR/state")
	check_equal "$1: the files are as they were" "$before" "$after"
	check "$1: what runs goes on" lab_curl --fail "$LAB_URL4/"
	restore
}

lost=0

# --- one file damaged ---

for size in 0 1 100 $((${#good} - 2)); do
	truncate -s "$size" "$state"
	falls_back "torn after $size bytes" 'state file .*/state.json: '
done
head -c 4096 /dev/urandom >"$state"
falls_back "garbage" 'state file .*/state.json: '
sed -i 's/"weight":[[:space:]]*7/"weight": "seven"/' "$state"
falls_back "a wrong word in it" 'weight'
rm "$state"
check "missing: the agent starts" lab_agent_start
check_matches "missing: it says so" 'state.json: missing; loaded state.json.bak' "$(last_log)"
check_equal "missing: the backup is served" web "$(services)"
restore

# --- both ---

truncate -s 10 "$state"
echo '{' >"$state.bak"
refused "both damaged" 'state.json.bak is damaged too'
truncate -s 10 "$state"
rm "$state.bak"
refused "damaged without a backup" 'there is no backup'
rm "$state" "$state.bak"
refused "both gone beside a data plane that serves" 'there is no state, but the data plane serves.*--unload'

# --- not to be believed ---

sed -i -E 's/"version":[[:space:]]*[0-9]+/"version": 99/' "$state"
refused "a newer version" 'version 99 is newer than'
chmod g+w "$state"
refused "others may write it" 'others may write to it.*chmod go-w'
chown 65534 "$state"
refused "somebody else's" 'belongs to user 65534.*chown root'
mv "$state" "$state.elsewhere"
ln -s state.json.elsewhere "$state"
refused "a symbolic link" 'state.json'
rm "$state.elsewhere"
chmod o+w "$LAB_DIR/state"
refused "others may write the directory" 'state directory .*others may write to it'
chmod o-w "$LAB_DIR/state"

promise "a torn or garbled state file: times that the last good state was lost" 0 "$lost"

# --- a full disk ---

restore
check "a full disk: the agent starts" lab_agent_start
dd if=/dev/zero of="$LAB_DIR/state/filler" bs=4k 2>/dev/null
before=$(sha256sum "$state")
output=$(lbctl set backend web 198.18.1.11 --weight 8 2>&1)
check_equal "a full disk: a change is refused" 1 "$?"
check_matches "a full disk: it says why" 'No space left.*' "$output"
check_matches "a full disk: and the way out" 'free some space there' "$output"
check_equal "a full disk: the state is as it was" 7 "$(lab_backend web 198.18.1.11:80 .weight)"
check_equal "a full disk: so is the file" "$before" "$(sha256sum "$state")"
check "a full disk: traffic flows" lab_curl --fail "$LAB_URL4/"
lab_agent_kill
check "a full disk: it starts again" lab_agent_start
check_equal "a full disk: with the last good state" 7 "$(lab_backend web 198.18.1.11:80 .weight)"
promise "a full disk: services lost" 0 "$((1 - $(services | wc -w)))"
rm "$LAB_DIR/state/filler"
check "with room again, changes are taken" lbctl set backend web 198.18.1.11 --weight 8
checks_done
