-- The layout of Harbour.RedisSessionStateStore 1.4.
--
-- KEYS[1]  the session, a hash of seven fields with the idle timeout as its TTL; numbers have the lowest byte first
--            created             8 bytes, .NET's time
--            locked              1 byte
--            lockId, lockDate    4 bytes and .NET's time; empty while it is not locked
--            timeout             4 bytes, minutes; whoever reads it reads 4 bytes, so what stands behind them is ours
--            flags               4 bytes; 1: uninitialized
--            items               the collection
-- KEYS[2]  while the other provider reads the session and writes it back, when it may be thought dead: 8 bytes, seconds
-- KEYS[3]  what belongs to us alone; see session.lua
local session, between, ours = KEYS[1], KEYS[2], KEYS[3]
-- What stands for no timeout: a year, the longest that ASP.NET knows.
local NO_TIMEOUT = 525600

local function ticks(milliseconds)
  return struct.pack('<i8', (milliseconds + YEAR_1) * 10000)
end

local function from_ticks(bytes)
  return math.floor(struct.unpack('<i8', bytes) / 10000) - YEAR_1
end

-- What was written between its reading and its writing would be undone.
local function busy()
  local ends = redis.call('GET', between)
  if not ends then return false end
  local seconds = #ends == 8 and struct.unpack('<i8', ends) or tonumber(ends) or 0
  return seconds * 1000 >= now
end

local function found(idle)
  local count = redis.call('HLEN', session)
  if count == 0 then return nil end
  local f = redis.call('HMGET', session, 'created', 'locked', 'lockId', 'lockDate', 'timeout', 'flags')
  local size = redis.call('HSTRLEN', session, 'items')
  local is_sound = count == 7 and redis.call('HEXISTS', session, 'items') == 1 and (size == 0 or size >= #EMPTY)
  for place, length in ipairs({8, 1, 0, 0, 4, 4}) do is_sound = is_sound and f[place] and #f[place] >= length end
  if not is_sound then return nil, 'the session is no hash of the seven fields that Harbour.RedisSessionStateStore keeps' end
  local s = {born = f[1], created = from_ticks(f[1])}
  s.expires = expiry_of(session)
  s.minutes = struct.unpack('<i4', f[5])
  local same = idle and (idle == 0 and NO_TIMEOUT or minutes(idle)) == s.minutes
  s.idle = same and idle or math.max(s.minutes, 1) * 60
  s.marked = string.sub(f[5], 5) == MARK
  s.fresh = string.byte(f[6]) == 1
  if string.byte(f[2]) ~= 0 then
    s.token = f[3] .. f[4]
    s.age = #f[4] == 8 and math.max(0, now - from_ticks(f[4])) or lifetime
  end
  return s
end

local function adopt(s)
  redis.call('HSET', session, 'timeout', four(s.minutes) .. MARK)
end

local function items(s)
  local bytes = redis.call('HGET', session, 'items')
  return bytes ~= '' and bytes or EMPTY
end

local function put(s, collection, fresh)
  s.born = s.born or ticks(now)
  s.minutes = s.idle == 0 and NO_TIMEOUT or minutes(s.idle)
  redis.call('HSET', session, 'created', s.born, 'timeout', four(s.minutes) .. MARK, 'flags', four(fresh and 1 or 0),
    'items', collection)
  if not s.token then redis.call('HSET', session, 'locked', '\000', 'lockId', '', 'lockDate', '') end
end

local function seen(s)
  redis.call('HSET', session, 'flags', four(0))
end

local function touch(s)
  if s.expires then redis.call('PEXPIREAT', session, digits(s.expires)) else redis.call('PERSIST', session) end
end

local function take(s)
  local id, date = four(s.lock), ticks(now)
  s.token = id .. date
  redis.call('HSET', session, 'locked', '\001', 'lockId', id, 'lockDate', date)
end

local function free(s)
  redis.call('HSET', session, 'locked', '\000', 'lockId', '', 'lockDate', '')
end

-- The lock is in the session.
local function left_over(lock_id) end

local function drop()
  redis.call('UNLINK', session, ours)
end
