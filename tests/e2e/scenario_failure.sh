#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The short form of `make scenario-failure`.
exec bash "$(dirname "$0")/../scenarios/failure.sh" --short
