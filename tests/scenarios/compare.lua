-- SPDX-License-Identifier: Apache-2.0
-- wrk: asks the addresses in TARGETS, each thread the next one; says how it was in a line of JSON.

local targets = {}
for address in os.getenv("TARGETS"):gmatch("%S+") do
   table.insert(targets, address)
end
local threads = 0

function setup(thread)
   thread.addr = wrk.lookup(targets[threads % #targets + 1], "80")[1]
   threads = threads + 1
end

function done(summary, latency)
   local errors = summary.errors
   print(string.format('{"answers": %d, "p50_ms": %.3f, "p99_ms": %.3f, "errors": {"connect": %d, '
      .. '"read": %d, "write": %d, "status": %d, "timeout": %d}}', summary.requests,
      latency:percentile(50) / 1000, latency:percentile(99) / 1000, errors.connect, errors.read,
      errors.write, errors.status, errors.timeout))
end
