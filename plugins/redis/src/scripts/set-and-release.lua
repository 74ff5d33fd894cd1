-- set-and-release. ARGV: name, payload, type, subject ('-': keep), idle, latest, lock id, condition, keep-lock.
-- The condition is '' for none, 'new', or the version that the session must have.
local s = read()
local condition = ARGV[8]
if not s then
  if condition ~= '' and condition ~= 'new' then return {STALE, 0} end
  set_aside()
  s = {version = 0, created = now, lock = 1}
  redis.call('HSET', session, 'created', string.format('%.0f', now), 'lock', 1)
else
  -- The lock comes before the condition: what would be refused anyway is not refused for its condition.
  if not admits(s, ARGV[7]) then
    slide(s)
    return held(s)
  end
  if condition == 'new' or (condition ~= '' and tonumber(condition) ~= s.version) then
    slide(s)
    return {STALE, s.version}
  end
end
s.version = s.version + 1
s.idle = tonumber(ARGV[5])
local latest = tonumber(ARGV[6])
-- A latest expiry is brought forward and never put off.
if latest and (not s.latest or latest < s.latest) then
  s.latest = latest
  redis.call('HSET', session, 'latest', ARGV[6])
end
redis.call('HSET', session, 'payload', ARGV[2], 'version', string.format('%.0f', s.version), 'idle', ARGV[5])
redis.call('HDEL', session, 'fresh')
if ARGV[3] ~= '' then redis.call('HSET', session, 'type', ARGV[3]) else redis.call('HDEL', session, 'type') end
if ARGV[4] == '' then redis.call('HDEL', session, 'subject')
elseif ARGV[4] ~= '-' then redis.call('HSET', session, 'subject', ARGV[4]) end
if s.locked and ARGV[9] ~= '1' then redis.call('HDEL', session, 'locked') end
slide(s, true)
return {DONE, s.version}
