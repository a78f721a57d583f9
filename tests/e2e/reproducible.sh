#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What takes least time of `make reproducible`, and has a part of each kind: C, BPF, a skeleton.
exec bash "$(dirname "$0")/../reproducible.sh" lbnode bpf/decap.bpf.o bpf/ingress.bpf.o
