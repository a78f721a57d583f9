#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short form of `make scenario-load`.
exec bash "$(dirname "$0")/../scenarios/load.sh" --short
