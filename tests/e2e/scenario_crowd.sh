#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short form of `make scenario-crowd`.
exec bash "$(dirname "$0")/../scenarios/crowd.sh" --short
