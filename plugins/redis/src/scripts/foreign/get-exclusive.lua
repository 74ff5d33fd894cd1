-- get-exclusive. The lock id stands at the end of the item.
if busy() then return {BUSY} end
local s, reason = read(true)
if not s then return absent(reason) end
if s.token then
  slide(s)
  return held(s)
end
s.lock = s.lock + 1
-- What fits the 32 bits of a State Server's lock cookie.
if s.lock > 2147483647 then s.lock = 1 end
take(s)
redis.call('HSET', ours, 'lock', s.lock, 'token', s.token)
if s.fresh then seen(s) end
slide(s)
return item(s, DONE, s.lock)
