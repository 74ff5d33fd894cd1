-- release-exclusive. ARGV: name, lock id. Answers whether the session was uninitialized.
local s = read()
if not s then return {MISSING} end
slide(s)
if not admits(s, ARGV[2]) then return held(s) end
redis.call('HDEL', session, 'locked', 'fresh')
return {DONE, s.fresh and 1 or 0}
