-- Claims expired sessions. ARGV: '', how many at the most, lease in milliseconds, whether anybody listens.
-- Answers one line for each: the number of the claim, its name, and the item. Where nobody listens they are deleted, and
-- the answer is their number.
local found = redis.call('ZRANGE', due, '-inf', now, 'BYSCORE', 'LIMIT', 0, tonumber(ARGV[2]))
local answer = {#found}
for _, member in ipairs(found) do
  local number, aside
  if string.sub(member, 1, 1) == 'x' then
    number = string.sub(member, 2)
    aside = ended .. ':' .. number
  else
    session = KEYS[1] .. string.sub(member, 2)
    number = redis.call('INCR', ended)
    aside = ended .. ':' .. number
    if redis.call('EXISTS', session) == 1 then
      redis.call('RENAME', session, aside)
      redis.call('HSET', aside, 'name', member)
    end
    redis.call('ZREM', due, member)
  end
  -- Sessions that nobody has read are nobody's.
  if ARGV[4] == '1' and redis.call('EXISTS', aside) == 1 and redis.call('HEXISTS', aside, 'fresh') == 0 then
    redis.call('ZADD', due, string.format('%.0f', now + tonumber(ARGV[3])), 'x' .. number)
    session = aside
    local f = redis.call('HMGET', aside, 'version', 'created', 'idle', 'latest', 'expires', 'name')
    local s = {version = tonumber(f[1]), created = tonumber(f[2]), idle = tonumber(f[3]), latest = tonumber(f[4] or nil),
      expires = tonumber(f[5] or nil), fresh = false}
    answer[#answer + 1] = item(s, tonumber(number), {ok = f[6]})
  else
    redis.call('UNLINK', aside)
    redis.call('ZREM', due, 'x' .. number)
  end
end
return answer
