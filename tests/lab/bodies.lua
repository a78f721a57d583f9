-- SPDX-License-Identifier: Apache-2.0
-- wrk: counts answers by body, so that one sees who served them.
--   wrk -s bodies.lua URL -- [LIMIT [DELAY]]
-- After LIMIT answers of a thread wrk ends early (0: never); each connection waits DELAY
-- milliseconds before a request. The last lines are, for scripts,
--   served BODY COUNT      one for each body
--   errors COUNT           failed requests of any kind

local ffi = require("ffi")
ffi.cdef("int getpid(void); int kill(int pid, int signal);")
local SIGINT = 2

local threads = {}
local left = nil

function setup(thread)
   table.insert(threads, thread)
end

function init(args)
   bodies, others = {}, 0
   left = tonumber(args[1])
   if not left or left == 0 then
      left = nil
   end
   if args[2] then
      local wait = tonumber(args[2])
      delay = function() return wait end
   end
end

function response(status, headers, body)
   if left == 0 then
      return
   end
   if status ~= 200 then
      others = others + 1
      return
   end
   local name = body:gsub("%s+$", "")
   bodies[name] = (bodies[name] or 0) + 1
   if left then
      left = left - 1
      if left == 0 then
         -- wrk itself would sleep until its duration is over.
         ffi.C.kill(ffi.C.getpid(), SIGINT)
      end
   end
end

function done(summary, latency, requests)
   local served, names = {}, {}
   local errors = summary.errors.connect + summary.errors.read + summary.errors.write
      + summary.errors.timeout
   for _, thread in ipairs(threads) do
      errors = errors + thread:get("others")
      for name, count in pairs(thread:get("bodies")) do
         served[name] = (served[name] or 0) + count
      end
   end
   for name in pairs(served) do
      table.insert(names, name)
   end
   table.sort(names)
   for _, name in ipairs(names) do
      print(string.format("served %s %d", name, served[name]))
   end
   print(string.format("errors %d", errors))
end
