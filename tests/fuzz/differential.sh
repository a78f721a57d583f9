#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The packets of which the fuzzer `packet` has made its corpus, natively and in the kernel: the same
# verdicts and the same bytes.
set -u
cd "$(dirname "$0")/../.." || exit 1

out=${O:-build}/fuzz

if said=$("$out/lb_differential" "$out/packet.seeds" tests/fuzz/corpus/packet "$out/packet.found" 2>&1); then
	echo "ok packets natively and in the kernel: $(tail -n 1 <<<"$said")"
else
	echo "not ok packets natively and in the kernel"
	tail -n 60 <<<"$said" | sed 's/^#* */# /'
	exit 1
fi
