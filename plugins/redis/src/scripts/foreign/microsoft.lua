-- The layout of Microsoft.Web.RedisSessionStateProvider 5.
--
-- KEYS[1]  the collection
-- KEYS[2]  the lock, only while it is held: the time at which it was taken by the clock of the web server. It has a TTL
-- KEYS[3]  the idle timeout in seconds
-- KEYS[4]  what belongs to us alone; see session.lua
--
-- 1 and 3 have the idle timeout as their TTL. An uninitialized session is a collection of one item, by this name.
local data, lock, timeout, ours = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local FRESH = '\001\000\000\000\255\255\255\255\019SessionStateActions'
local FRESH_ITEMS = FRESH .. '\016\000\000\000\001\014InitializeItem'
-- Ahead of every time zone. The locks that we take are thus never taken for so old that they may be broken; they end with
-- their TTL, which is the same time.
local AHEAD = 14 * 3600 * 1000

-- Every operation of the other provider is one step.
local function busy() return false end

local function found()
  local size = redis.call('STRLEN', data)
  if size == 0 and redis.call('EXISTS', data) == 0 then return nil end
  if size < 4 then return nil, 'the session is shorter than a collection can be' end
  local s = {}
  local idle = redis.call('GET', timeout)
  s.expires = expiry_of(data)
  -- The other provider keeps a session without a timeout only until it is used for the first time.
  s.idle = idle and tonumber(idle) or (s.expires and 1200 or 0)
  s.marked = redis.call('GETRANGE', data, -#MARK, -1) == MARK
  s.fresh = redis.call('GETRANGE', data, 0, #FRESH - 1) == FRESH
  local token = redis.call('GET', lock)
  if token then
    s.token = token
    local rest = redis.call('PTTL', lock)
    s.age = rest < 0 and lifetime or math.max(0, lifetime - rest)
  end
  return s
end

local function adopt(s)
  redis.call('APPEND', data, MARK)
end

local function items(s)
  local bytes = unmarked(redis.call('GET', data))
  if string.sub(bytes, 1, #FRESH) ~= FRESH then return bytes end
  return s.known and redis.call('HGET', ours, 'pending') or EMPTY
end

-- What the application gave with an uninitialized session is put aside until somebody has read it.
local function put(s, collection, fresh)
  if fresh then
    redis.call('SET', data, FRESH_ITEMS .. MARK)
    if collection ~= EMPTY then redis.call('HSET', ours, 'pending', collection) end
  else
    redis.call('SET', data, collection .. MARK)
    redis.call('HDEL', ours, 'pending')
  end
  if s.idle > 0 then redis.call('SET', timeout, digits(s.idle)) else redis.call('UNLINK', timeout) end
end

local function seen(s)
  put(s, items(s), false)
end

local function touch(s)
  for _, key in ipairs({data, timeout}) do
    if s.expires then redis.call('PEXPIREAT', key, digits(s.expires)) else redis.call('PERSIST', key) end
  end
end

local function take(s)
  s.token = string.format('%.0f%04d', now + YEAR_1 + AHEAD, s.lock % 10000)
  redis.call('SET', lock, s.token, 'PX', digits(lifetime))
end

local function free(s)
  redis.call('UNLINK', lock)
end

-- A lock that outlived its session keeps others from beginning a new one.
local function left_over(lock_id)
  local held = redis.call('HMGET', ours, 'lock', 'token')
  if held[1] and tonumber(held[1]) == tonumber(lock_id) and held[2] == redis.call('GET', lock) then
    redis.call('UNLINK', lock, ours)
  end
end

local function drop()
  redis.call('UNLINK', data, lock, timeout, ours)
end
