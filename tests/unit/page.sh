#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The web page's scripts, in so far as they draw nothing: page.mjs says what is tested.
exec node "$(dirname "$0")/page.mjs"
