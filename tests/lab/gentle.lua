-- SPDX-License-Identifier: Apache-2.0
-- Script for wrk: many connections that stay open and ask for little, two requests a second each.

function delay()
	return 500
end
