#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short form of `make scenario-compare`.
exec bash "$(dirname "$0")/../scenarios/compare.sh" --short
