-- get-exclusive. ARGV: name. The lock id stands at the end of the item.
local s = read()
if not s then return {MISSING} end
slide(s)
if s.locked then return held(s) end
local lock = s.lock + 1
-- What fits the 32 bits of a State Server's lock cookie.
if lock > 2147483647 then lock = 1 end
redis.call('HSET', session, 'lock', lock, 'locked', string.format('%.0f', now))
if s.fresh then redis.call('HDEL', session, 'fresh') end
return item(s, DONE, lock)
