-- What every operation begins with. All keys of an operation have one hash tag, so a cluster runs it on one node.
--
-- KEYS[1]  the session, a hash:
--            payload, type, subject    as they were stored; type and subject only where there are any
--            version, created, idle    numbers
--            latest, expires           numbers, only where it has a latest expiry, and where it expires at all
--            lock                      the lock id that was issued last
--            locked                    since when it is locked, only while it is
--            fresh                     only until somebody has read it: it is uninitialized
-- KEYS[2]  the deadlines of the bucket, a sorted set: the names of sessions, and of claimed ones, by their expiry
-- KEYS[3]  the hash of sessions that expired and whose end nobody has heard of yet, or its prefix; see `expired`
-- ARGV[1]  the session's name in the deadlines
--
-- The clock is that of the server, in milliseconds, so hosts may disagree about the time.
local session, due, ended, name = KEYS[1], KEYS[2], KEYS[3], ARGV[1]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- What the first number of an answer means.
local MISSING, DONE, LOCKED, STALE = 0, 1, 2, 3

-- The session without its payload, or nil. One that has expired makes room at once; its end is still to be told.
local function read()
  local f = redis.call('HMGET', session, 'version', 'created', 'idle', 'latest', 'expires', 'lock', 'locked', 'fresh')
  if not f[1] then return nil end
  local s = {
    version = tonumber(f[1]), created = tonumber(f[2]), idle = tonumber(f[3]), latest = tonumber(f[4] or nil),
    expires = tonumber(f[5] or nil), lock = tonumber(f[6]), locked = tonumber(f[7] or nil), fresh = f[8] and true or false
  }
  if s.expires and s.expires <= now then return nil end
  return s
end

-- Puts an expired session that stands in the way aside, to be swept under a name of its own.
local function set_aside()
  if redis.call('EXISTS', session) == 1 then
    local number = redis.call('INCR', ended)
    local aside = ended .. ':' .. number
    redis.call('RENAME', session, aside)
    redis.call('HSET', aside, 'name', name)
    redis.call('ZREM', due, name)
    redis.call('ZADD', due, now, 'x' .. number)
  end
end

-- Moves the expiry to where it is after a touch; not by less than a second, unless it is asked for.
local function slide(s, always)
  local expires = s.latest
  if s.idle > 0 then
    expires = now + s.idle * 1000
    if s.latest and s.latest < expires then expires = s.latest end
  end
  if expires and s.expires and not always and math.abs(expires - s.expires) < 1000 then return end
  if expires == s.expires and not always then return end
  s.expires = expires
  if expires then
    redis.call('HSET', session, 'expires', string.format('%.0f', expires))
    redis.call('ZADD', due, string.format('%.0f', expires), name)
  else
    redis.call('HDEL', session, 'expires')
    redis.call('ZREM', due, name)
  end
end

-- A lock that somebody holds, as it is answered: its id and its age.
local function held(s)
  local age = now - s.locked
  if age < 0 then age = 0 end
  return {LOCKED, s.lock, age}
end

-- Whether the holder of this lock id, or of none, may write.
local function admits(s, lock_id)
  return not s.locked or tonumber(lock_id) == s.lock
end

-- An item as it is answered, after the number that says what it is. Text comes as a status, because bytes come as
-- handles that a component cannot read; a status has no line ends, so text is kept percent-encoded.
local function item(s, first, ...)
  local f = redis.call('HMGET', session, 'payload', 'type', 'subject')
  local answer = {first, s.version, s.created, s.expires or -1, s.idle, s.latest or -1, s.fresh and 1 or 0,
    f[1], f[2] and {ok = f[2]} or false, f[3] and {ok = f[3]} or false, ...}
  return answer
end
