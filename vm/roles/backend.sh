#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Makes this machine backend N, 1 or 2: the demo service hello on port 80.
#   vm/roles/backend.sh IF N
# It can be given again.
set -eu
. "$(dirname "$0")/addresses.sh"

address=${backends[$2 - 1]}
join "$1" "$address"
if ! curl -s "http://$address/health" >/dev/null; then
	hello --name "b$2" --listen "$address:80" >>/var/log/hello.log 2>&1 </dev/null &
	until_ok 30 curl -s "http://$address/health"
fi
echo "b$2 serves at $address"
