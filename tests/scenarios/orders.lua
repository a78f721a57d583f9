-- SPDX-License-Identifier: Apache-2.0
-- wrk: customers of orders, one a thread, so there must be as many threads as connections.
--   wrk -s orders.lua URL -- NAME READS PAUSE FILE ID...
-- After a pause, of PAUSE milliseconds on average, each reads an order that is there (READS times out
-- of 100; ID... are there to begin with) or sends one, under a key that begins with NAME. An order that
-- is not accepted is sent again, under its key. FILE.N gets a line of JSON for each request of
-- customer N; status 0 is no answer. The last lines, for scripts, are the orders that were not accepted
-- when time was up:
--   open KEY BODY

local ffi = require("ffi")
ffi.cdef [[
   struct timespec { long tv_sec; long tv_nsec; };
   int clock_gettime(int clock, struct timespec *time);
]]
local REALTIME, MONOTONIC = 0, 1
local ITEMS = 10 -- of backends/orders/seed.sql

local threads = {}
local known, sent = {}, 0
local begun, asked

function setup(thread)
   table.insert(threads, thread)
   thread:set("number", #threads)
end

function init(args)
   name, reads, pause = args[1], tonumber(args[2]), tonumber(args[3])
   for i = 5, #args do
      table.insert(known, args[i])
   end
   math.randomseed(number)
   log = assert(io.open(args[4] .. "." .. number, "w"))
   log:setvbuf("line")
end

local function seconds(clock)
   local time = ffi.new("struct timespec")
   ffi.C.clock_gettime(clock, time)
   return tonumber(time.tv_sec) + tonumber(time.tv_nsec) / 1e9
end

local function new_read()
   local id = known[math.random(#known)]
   return {kind = "read", id = id, text = wrk.format("GET", "/api/order/" .. id)}
end

local function new_order()
   local items, first = {}, math.random(ITEMS)
   for i = 1, math.random(3) do
      table.insert(items, string.format('{"item":%d,"quantity":%d}', (first + i) % ITEMS + 1,
         math.random(5)))
   end
   sent = sent + 1
   local order = {kind = "write", key = name .. "-" .. number .. "-" .. sent, lines = #items}
   order.body = '{"items":[' .. table.concat(items, ",") .. "]}"
   order.text = wrk.format("POST", "/api/order", {
      ["Connection"] = wrk.headers["Connection"],
      ["Content-Type"] = "application/json",
      ["Idempotency-Key"] = order.key,
   }, order.body)
   return order
end

-- What is asked next. A global for done(): the order that is not accepted yet.
local function choose()
   if open then
      return open
   end
   if #known > 0 and math.random(100) <= reads then
      return new_read()
   end
   open = new_order()
   return open
end

local function note(status, good, more)
   log:write(string.format('{"at":%.3f,"kind":"%s","status":%d,"good":%s,"ms":%.3f%s}\n',
      seconds(REALTIME), asked.kind, status, tostring(good),
      (seconds(MONOTONIC) - asked.since) * 1000, more or ""))
   asked = nil
end

function delay()
   begun = true
   return pause / 2 + math.random(pause)
end

-- wrk calls it once to look at, before there is a connection; then for each request, also for one that
-- follows a broken connection.
function request()
   if not begun then
      return wrk.format("GET", "/health")
   end
   if asked then
      note(0, false)
   end
   asked = choose()
   asked.since = seconds(MONOTONIC)
   return asked.text
end

function response(status, headers, body)
   local id, total = body:match('^{"order":(%d+),.*"total_cents":(%d+)}')
   if asked.kind == "read" then
      note(status, status == 200 and id == asked.id)
      return
   end
   if id and (status == 200 or status == 201) then
      table.insert(known, id)
      open = nil
      note(status, true, string.format(',"key":"%s","lines":%d,"order":%s,"total_cents":%s',
         asked.key, asked.lines, id, total))
      return
   end
   if status < 500 then
      open = nil -- refused: another time it would be, too
   end
   note(status, false)
end

function done(summary, latency, requests)
   for _, thread in ipairs(threads) do
      local order = thread:get("open")
      if order then
         print(string.format("open %s %s", order.key, order.body))
      end
   end
end
