#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short form of `make scenario-spread`.
exec bash "$(dirname "$0")/../scenarios/spread.sh" --short
