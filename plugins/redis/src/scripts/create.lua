-- create-uninitialized. ARGV: name, payload, type, subject, idle, latest; an empty text is none.
local s = read()
if s then
  slide(s)
  return {DONE}
end
set_aside()
s = {idle = tonumber(ARGV[5]), latest = tonumber(ARGV[6])}
redis.call('HSET', session, 'payload', ARGV[2], 'version', 1, 'created', string.format('%.0f', now), 'idle', ARGV[5], 'lock', 1, 'fresh', 1)
if ARGV[3] ~= '' then redis.call('HSET', session, 'type', ARGV[3]) end
if ARGV[4] ~= '' then redis.call('HSET', session, 'subject', ARGV[4]) end
if s.latest then redis.call('HSET', session, 'latest', ARGV[6]) end
slide(s, true)
return {DONE}
