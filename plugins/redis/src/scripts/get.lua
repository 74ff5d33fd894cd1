-- get. ARGV: name.
local s = read()
if not s then return {MISSING} end
slide(s)
if s.locked then return held(s) end
if s.fresh then redis.call('HDEL', session, 'fresh') end
return item(s, DONE)
