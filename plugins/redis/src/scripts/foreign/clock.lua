-- The server's clock, in milliseconds, and what the first number of an answer means; as in ../prelude.lua.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local MISSING, DONE, LOCKED, STALE = 0, 1, 2, 3
-- Another client is in the middle of something; what may not be stored; what cannot be read.
local BUSY, REFUSED, UNREADABLE = 4, 5, 6

-- Milliseconds from the year 1, where .NET's clock begins, to 1970. It counts tenths of a microsecond.
local YEAR_1 = 62135596800000
