#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A part of `make faults`.
exec bash "$(dirname "$0")/../faults/faults.sh" --short
