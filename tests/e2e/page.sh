#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The web page: what is served, by curl; and in Chromium, as a person uses it (page/page.mjs).
. "$(dirname "$0")/../lab/lab.sh"
. "$(dirname "$0")/../lab/check.sh"

token=page-8Qx0PbTnq2Zl4V7sJ1Wc6yRk
url=http://127.0.0.1:9480
pictures=$LAB_BUILD/screenshots
mkdir -p "$pictures"

lab_up || exit 1
for i in 1 2 3 4; do
	lab_backend_start "$i" hello || exit 1
done
(umask 077 && echo "tester $token" >"$LAB_DIR/tokens")

start_agent() {
	lab_agent_start --token-file "$LAB_DIR/tokens"
}
start_agent || bail "the agent starts"
lab_service web "tcp://$LAB_VIP4:80" "1 2 3" --check http --check-path /health \
	--check-interval 200ms --check-timeout 1s --fall 2 || bail "the service comes up"
lbctl add service empty --vip "tcp://198.18.0.11:80" >/dev/null # whoever asks it is dropped

# --- what is served ---

ask() {
	lab_exec lb curl -sS --max-time 5 "$@"
}

# head PATH NAME [CURL-ARG...]: the value of an answer's header
head() {
	local path=$1 name=$2
	shift 2
	ask -D - -o /dev/null "$@" "$url$path" | sed -n "s/^$name: //Ip" | tr -d '\r'
}

status() {
	ask -o /dev/null -w '%{http_code}' "$@"
}

check_equal "/ is the page" "text/html; charset=utf-8" "$(head / Content-Type)"
check_matches "with a policy that lets in nothing from elsewhere" \
	"^default-src 'none'; script-src 'self'; style-src 'self';.* frame-ancestors 'none'" \
	"$(head / Content-Security-Policy)"
check_equal "nobody guesses what its files are" nosniff "$(head /ui/main.mjs X-Content-Type-Options)"
check_equal "nobody is told where one comes from" no-referrer "$(head / Referrer-Policy)"
check_equal "HEAD tells the length" "$(wc -c <"$LAB_TOP/agent/ui/style.css")" \
	"$(head /ui/style.css Content-Length -I)"
check_equal "what the browser has is not sent again" 304 \
	"$(status -H "If-None-Match: $(head /ui/chart.js ETag)" $url/ui/chart.js)"
check_equal "what it is served is the file" "$(sha256sum <"$LAB_TOP/agent/ui/index.html")" \
	"$(ask $url/ | sha256sum)"
for path in /ui/ /ui/none.js /ui/../index.html /ui/%2e%2e/etc/passwd /ui/..%2fetc%2fpasswd /index.html; do
	check_equal "$path is not there" 404 "$(status --path-as-is "$url$path")"
done
check_equal "it cannot be written" 401 "$(status -X PUT -d x $url/ui/main.mjs)"
check_matches "Chart.js comes with its licence" "MIT|Expat" "$(ask $url/ui/chart-licence.txt)"

# --- what it asks ---

check_equal "a summary has what all of the state has" \
	"$(lab_api GET /v1/services | jq -c '[.services[] | {name, vip, up: ([.backends[] | select(.status == "up")] | length)}]')" \
	"$(lab_api GET "/v1/services?summary=true" | jq -c '[.services[] | {name, vip, up: (.backends.up // 0)}]')"
check_equal "a part of the backends is a part of them" \
	"$(lab_api GET /v1/services/web/backends | jq -c '[.backends[1].address, 3]')" \
	"$(lab_api GET "/v1/services/web/backends?limit=1&offset=1" | jq -c '[.backends[].address, .matching]')"
check_equal "none of them is down" 0 "$(lab_api GET "/v1/services/web/backends?limit=9&status=down" | jq .matching)"
for query in services?summary=maybe services/web/backends?limit=0 services/web/backends?limit=1001 \
	"services/web/backends?limit=1&offset=-1" "services/web/backends?limit=1&status=none"; do
	check_equal "$query is refused" 400 "$(lab_api GET "/v1/$query" -o /dev/null -w '%{http_code}')"
done

# --- in a browser ---

# begin_load CONNECTIONS: until `serve stop-load`
begin_load() {
	cat >"$LAB_DIR/load.lua" <<-'LUA'
		function delay() return math.random(10, 60) end
	LUA
	lab_spawn client load wrk -t1 -c"$1" -d120s --timeout 2s -H "$LAB_FRESH" -s "$LAB_DIR/load.lua" \
		"$LAB_URL4/"
}

# What page.mjs asks for.
serve() {
	case $1 in
	stop-load) lab_end load KILL ;;
	kill-b2) lab_backend_kill 2 ;;
	start-b2) lab_backend_start 2 hello ;;
	kill-agent) lab_agent_kill ;;
	start-agent) start_agent ;;
	esac
}

begin_load 12
lab_exec client curl -s --max-time 1 http://198.18.0.11/ >/dev/null
coproc PAGE { lab_exec lb node "$LAB_TOP/tests/e2e/page/page.mjs" $url/ "$token" "$pictures"; }
# Descriptors of a coprocess are gone when it is.
exec {from}<&"${PAGE[0]}" {to}>&"${PAGE[1]}"
while read -r -u "$from" word rest; do
	case $word in
	do)
		serve "$rest" >&2
		echo "$rest" >&"$to"
		;;
	not) CHECKS_FAILED=$((CHECKS_FAILED + 1)) ;;&
	*) echo "$word $rest" ;;
	esac
done
checks_done
