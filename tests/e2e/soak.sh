#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short form of `make soak`.
exec bash "$(dirname "$0")/../soak/soak.sh" --short
