#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who may do what by the API's two doors: tokens, TLS, wrong guesses, If-Match, and who it was.
LAB_BACKENDS=1
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

lab_up || exit 1
dir=$LAB_DIR/door
url=https://198.18.0.1:9480
mkdir "$dir"

secret=$(openssl rand -base64 24)
other=$(openssl rand -base64 24)
guess=$(openssl rand -base64 24)

# secret_file NAME LINE...: as an operator makes it
secret_file() {
	local name=$1
	shift
	(umask 077 && printf '%s\n' "$@" >"$dir/$name.new") && mv "$dir/$name.new" "$dir/$name"
}

# certificate NAME SERIAL: for the balancer's address, signed by the lab's CA
certificate() {
	openssl req -newkey rsa:2048 -nodes -keyout "$dir/$1.key" -out "$dir/$1.csr" -subj "/CN=lb" &&
		openssl x509 -req -in "$dir/$1.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" \
			-set_serial "$2" -days 2 -out "$dir/$1.pem" \
			-extfile <(echo 'subjectAltName=IP:198.18.0.1')
} 2>/dev/null

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/ca.key" -out "$dir/ca.pem" -days 2 \
	-subj "/CN=lab" 2>/dev/null || bail "a CA is made"
certificate one 4097 || bail "a certificate is made"
certificate two 4098 || bail "another is made"
secret_file tokens '# who may change things' "deploy $secret" "$other"
secret_file wrong "$guess"

# by_tcp ARG...: lbctl on the client's host
by_tcp() {
	lab_exec client "$LAB_BUILD/lbctl" --url "$url" --ca "$dir/ca.pem" "$@" 2>&1
}

# by_curl PATH ARG...: a bare request from the client's host; prints the answer with its head
by_curl() {
	local path=$1
	shift
	lab_exec client curl -sS -i --max-time 10 --cacert "$dir/ca.pem" "$@" "$url$path" 2>&1 |
		tr -d '\r'
}

status_of() {
	sed -n '1s/^HTTP[^ ]* \([0-9]*\).*/\1/p'
}

# --- what the agent refuses to start with ---

# refuse NAME PATTERN FLAG...: it ends by itself and says why
refuse() {
	local name=$1 pattern=$2 output
	shift 2
	output=$(lab_exec lb timeout 10 "$LAB_BUILD/lbagent" --interface eth0 --socket "$LAB_SOCKET" \
		--state-dir "$LAB_DIR/state" --bpffs "$LAB_PINS" --listen 127.0.0.1:9480 "$@" 2>&1)
	check_equal "$name: it does not start" 1 $?
	check_matches "$name: says why" "$pattern" "$output"
	if grep -qF -e "$secret" -e "$guess" <<<"$output"; then
		not_ok "$name: shows no token" "$output"
	fi
}

tls=(--tls-cert "$dir/one.pem" --tls-key "$dir/one.key")
cp "$dir/tokens" "$dir/open" && chmod 644 "$dir/open"
refuse "a token file that others may read" "token file $dir/open: others may read it .*chmod 600 $dir/open" \
	--token-file "$dir/open"
secret_file short 'deploy tooshort'
refuse "a short token" "token file $dir/short: line 1: the token is shorter than 20" \
	--token-file "$dir/short"
refuse "no token file" "token file $dir/none: No such file" --token-file "$dir/none"
refuse "another's key" "key $dir/two.key with certificate $dir/one.pem: " \
	--tls-cert "$dir/one.pem" --tls-key "$dir/two.key"
refuse "no certificate" "certificate $dir/tokens: " --tls-cert "$dir/tokens" --tls-key "$dir/one.key"
chmod 644 "$dir/two.key"
refuse "a key that others may read" "key $dir/two.key: others may read it" \
	--tls-cert "$dir/two.pem" --tls-key "$dir/two.key"
chmod 600 "$dir/two.key"

# --- tokens over TLS ---

lab_agent_start --listen 198.18.0.1:9480 --token-file "$dir/tokens" "${tls[@]}" || exit 1
pid=$(lab_pid lbagent)
new_service=(add service web --vip "tcp://$LAB_VIP4:80" --check none)

check_matches "reading needs no token" 'lbagent 0' "$(by_tcp status)"
check_matches "a change without a token is refused, with the way out" \
	'needs a token.*--token-file' "$(by_tcp "${new_service[@]}" | tr '\n' ' ')"
answer=$(by_curl /v1/services -X POST -d '{}')
check_equal "that is 401" 401 "$(status_of <<<"$answer")"
check_matches "and says which scheme" '^WWW-Authenticate: Bearer ' "$answer"
check_matches "a wrong token is refused" 'the token is wrong' \
	"$(by_tcp "${new_service[@]}" --token-file "$dir/wrong")"
check "the right one is not" by_tcp "${new_service[@]}" --token-file "$dir/tokens"
check_matches "the log says who it was" \
	'msg=changed by="token deploy from 198\.18\.0\.2:[0-9]+" method=POST path=/v1/services$' \
	"$(cat "$LAB_LOG")"
check "the environment may name the file" env SLUICE_TOKEN_FILE="$dir/tokens" \
	nsenter --net="/run/netns/$LAB-client" "$LAB_BUILD/lbctl" --url "$url" --ca "$dir/ca.pem" \
	add backend web 198.18.1.11
check_matches "lbctl refuses a token file that others may read" 'others may read it' \
	"$(by_tcp rm service web --token-file "$dir/open")"
check_matches "lbctl trusts no unknown certificate" 'certificate.*--ca FILE' \
	"$(lab_exec client "$LAB_BUILD/lbctl" --url "$url" show 2>&1 | tr '\n' ' ')"
check "by the Unix socket no token is asked for" lbctl set service web --rise 3
check_matches "and the log says who it was" 'msg=changed by="uid 0 \(root\), pid [0-9]+" method=PATCH' \
	"$(cat "$LAB_LOG")"

# --- TLS ---

# handshake FLAG...: what openssl says of one
handshake() {
	lab_exec client timeout 10 openssl s_client -connect 198.18.0.1:9480 -CAfile "$dir/ca.pem" \
		"$@" </dev/null 2>&1
}

serial() {
	handshake | openssl x509 -noout -serial | cut -d= -f2
}

check_matches "TLS 1.3 is spoken" 'Cipher is TLS_' "$(handshake -tls1_3)"
check_matches "TLS 1.2 is spoken" 'Verify return code: 0' "$(handshake -tls1_2)"
check_matches "TLS 1.1 is not" 'Cipher is \(NONE\)' \
	"$(handshake -tls1_1 -cipher 'DEFAULT@SECLEVEL=0')"
check_equal "plain HTTP is not answered there" 000 "$(lab_exec client curl -s -o /dev/null \
	--max-time 5 -w '%{http_code}' http://198.18.0.1:9480/healthz)"
check_equal "the certificate is shown" 1001 "$(serial)"
cp "$dir/two.pem" "$dir/one.pem"
kill -HUP "$pid"
check "a certificate without its key is not taken" wait_until 5 \
	grep -q 'the former TLS certificate stays.*one.key with certificate' "$LAB_LOG"
check_equal "the former one is still shown" 1001 "$(serial)"
cp "$dir/two.key" "$dir/one.key"
kill -HUP "$pid"
serial_is_new() { [ "$(serial)" = 1002 ]; }
check "after SIGHUP the new one is shown" wait_until 5 serial_is_new

# --- the token file changes ---

secret_file tokens "$other"
check_matches "who is struck off is out at once" 'the token is wrong' \
	"$(by_curl /v1/services/web -X DELETE -H "Authorization: Bearer $secret")"
check "who stays is in" by_tcp set service web --fall 4 --token-file "$dir/tokens"
check_matches "without a name, the line stands for it" 'by="token line-1 from' "$(cat "$LAB_LOG")"
chmod 644 "$dir/tokens"
check_matches "a file that others may read lets nobody in" 'cannot read its token file' \
	"$(by_curl /v1/services/web -X DELETE -H "Authorization: Bearer $other")"
check "the log says why" grep -q 'nobody may change anything by TCP.*others may read it' "$LAB_LOG"
check "the Unix socket is as open as before" lbctl set service web --fall 3
secret_file tokens "deploy $secret"
kill -HUP "$pid"
check "SIGHUP reads it, too" wait_until 5 grep -q 'token file read again.*tokens=1' "$LAB_LOG"

# --- If-Match ---

generation() {
	lbctl --json status | jq .generation
}

check_equal "an answer's ETag is the generation" "ETag: \"$(generation)\"" \
	"$(by_curl /v1/services/web | grep -i '^etag:')"
now=$(generation)
check "a change of this generation is made" lbctl set service web --fall 5 --if-generation "$now"
check_matches "one of a former is not: both are named" \
	"the generation is \"$((now + 1))\", not \"$now\"" \
	"$(lbctl set service web --fall 6 --if-generation "$now" 2>&1)"
check_equal "and has changed nothing" 5 "$(lbctl --json show web | jq .fall)"
check "a row of changes goes on by itself" lbctl add backend web 198.18.1.12 198.18.1.13 \
	--if-generation "$(generation)"
lbctl export >"$dir/config.json" || bail "the configuration is exported"
check "apply of this generation, by token over TLS" by_tcp apply --file "$dir/config.json" \
	--token-file "$dir/tokens" --if-generation "$(generation)"
check_matches "apply of a former is refused" 'the generation is' "$(by_tcp apply \
	--file "$dir/config.json" --token-file "$dir/tokens" --if-generation 1)"
check_equal "of a bare request it is 412" 412 "$(by_curl /v1/services/web -X PATCH \
	-H "Authorization: Bearer $secret" -H 'If-Match: "1"' -d '{"fall": 6}' | status_of)"
check_equal "any generation is *" 200 "$(lab_api PATCH /v1/services/web -H 'If-Match: *' \
	-d '{"fall": 4}' -o /dev/null -w '%{http_code}')"
check_equal "what is no tag is 400" 400 "$(lab_api PATCH /v1/services/web -H 'If-Match: 17' \
	-d '{"fall": 4}' -o /dev/null -w '%{http_code}')"

# Ten writers who have read the same state: one of them changes it.
now=$(generation)
writers=()
for weight in {1..10}; do
	lbctl set backend web 198.18.1.11 --weight "$weight" --if-generation "$now" >/dev/null 2>&1 &
	writers+=($!)
done
won=0
for writer in "${writers[@]}"; do
	if wait "$writer"; then won=$((won + 1)); fi
done
check_equal "of ten writers at once one wins" 1 "$won"
check_equal "and one generation is made" $((now + 1)) "$(generation)"

# --- guessing ---

refused() {
	curl -sS --unix-socket "$LAB_SOCKET" http://lb/metrics |
		sed -n 's/^lb_api_refused_tokens_total //p'
}

before=$(refused)
for _ in {1..12}; do
	by_curl /v1/services/web -X DELETE -H "Authorization: Bearer $guess" | status_of
done | sort | uniq -c | tr -s ' \n' ' ' >"$dir/statuses"
check_matches "who guesses is told to wait" '^ [0-9]+ 401 [0-9]+ 429 $' "$(cat "$dir/statuses")"
check_equal "all of it is counted" $((before + 12)) "$(refused)"
check_matches "when is said" '^Retry-After: [1-9]' \
	"$(by_curl /v1/services/web -X DELETE -H "Authorization: Bearer $secret")"
check_equal "reading goes on" 200 "$(by_curl /v1/status | status_of)"
check_equal "other addresses are heard" 200 "$(lab_exec lb curl -s -o /dev/null -w '%{http_code}' \
	--cacert "$dir/ca.pem" -X PATCH -H "Authorization: Bearer $secret" -d '{"fall": 4}' \
	"$url/v1/services/web")"
check_at_most "the log is not filled by it" 12 "$(grep -c 'wrong token' "$LAB_LOG")"

# --- tokens are nowhere ---

shown=$(grep -lF -e "$secret" -e "$other" -e "$guess" "$LAB_LOG" "/proc/$pid/cmdline" \
	"/proc/$pid/environ" "$LAB_DIR"/state/*)
check_equal "no token is in the log, the process list or the state" "" "$shown"

# --- without TLS, without tokens ---

lab_agent_stop
lab_agent_start --listen 198.18.0.1:9480 --token-file "$dir/tokens" || exit 1
check "tokens in clear text are warned of" grep -q 'level=warn msg="tokens cross the network' "$LAB_LOG"
lab_agent_stop
lab_agent_start || exit 1
check_equal "without --token-file the listener is read-only" 403 "$(lab_exec lb curl -s -o /dev/null \
	-w '%{http_code}' -X DELETE -H "Authorization: Bearer $secret" \
	http://127.0.0.1:9480/v1/services/web)"
check_equal "after all that, the service is there" web "$(lbctl --json show web | jq -r .name)"
checks_done
