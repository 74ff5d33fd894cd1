-- The server's clock, in milliseconds, and what the first number of an answer means; as in ../prelude.lua.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local MISSING, DONE, LOCKED, STALE = 0, 1, 2, 3
-- Another client is in the middle of something; what may not be stored; what cannot be read.
local BUSY, REFUSED, UNREADABLE = 4, 5, 6

-- Milliseconds from the year 1, where .NET's clock begins, to 1970. It counts tenths of a microsecond.
local YEAR_1 = 62135596800000

-- When a key expires; nil if it does not. Servers before Redis 7 tell only how long is left, by a clock that goes on while
-- the script runs: a millisecond more or less.
local function expiry_of(key)
  local at = redis.pcall('PEXPIRETIME', key)
  if type(at) == 'number' then return at >= 0 and at or nil end
  local left = redis.call('PTTL', key)
  return left >= 0 and now + left or nil
end
