-- A session in a layout that is not ours.
--
-- What the layout has no place for is in a hash beside it, which the other provider does not know:
--   version, created, idle    numbers
--   latest, type, subject     only where there are any; type and subject percent-encoded
--   timeout, objects          of the block, only where they are not what one would make anew
--   born                      how the layout tells this session from an earlier one of the same ID, where it does
--   lock                      the lock id that was issued last
--   token                     the lock, as the layout has it, that this lock id is for
-- It holds for what ends with our mark. Where that is gone, the other provider stored something since.

-- The session, or nil; then why it cannot be read, if that is why. Only `peek` does not write.
local function read(writing)
  local f = redis.call('HMGET', ours, 'version', 'created', 'idle', 'latest', 'born', 'lock', 'token')
  local s, reason = found(tonumber(f[3]))
  if not s then return nil, reason end
  s.known = s.marked and f[1] and true or false
  s.same = s.known or (s.born and s.born == f[5])
  -- What was never ours has a version, too, and one that nobody can have read before.
  s.version = f[1] and tonumber(f[1]) + (s.known and 0 or 1) or math.floor(now / 1000)
  s.created = s.created or tonumber(f[2]) or now
  s.latest = s.same and tonumber(f[4]) or nil
  s.lock = tonumber(f[6]) or 1
  if s.latest and s.latest <= now then
    if writing then drop() end
    return nil
  end
  if writing and not s.known then
    if not s.marked then adopt(s) end
    redis.call('HDEL', ours, 'type', 'timeout', 'objects', 'pending')
    if not s.same then redis.call('HDEL', ours, 'subject', 'latest') end
    redis.call('HSET', ours, 'version', digits(s.version), 'created', digits(s.created), 'idle', s.idle, 'lock', s.lock)
    if s.born then redis.call('HSET', ours, 'born', s.born) end
    s.known = true
  end
  if s.token and s.token ~= f[7] then
    -- A lock of the other provider. It gets a lock id of ours, so that whoever breaks it breaks no later one.
    s.lock = s.lock + 1
    if writing then redis.call('HSET', ours, 'lock', s.lock, 'token', s.token) end
  end
  return s
end

local function absent(reason)
  if reason then return {UNREADABLE, {ok = reason}} end
  return {MISSING}
end

-- Moves the expiry to where it is after a touch.
local function slide(s)
  s.expires = s.latest
  if s.idle > 0 then s.expires = math.min(now + s.idle * 1000, s.latest or math.huge) end
  touch(s)
  -- The other provider may slide the session without us.
  if s.idle > 0 then redis.call('PEXPIRE', ours, digits(s.idle * 2000)) else redis.call('PERSIST', ours) end
end

local function held(s)
  return {LOCKED, s.lock, s.age}
end

local function admits(s, lock_id)
  return not s.token or tonumber(lock_id) == s.lock
end

local function unlock(s)
  free(s)
  s.token = nil
  redis.call('HDEL', ours, 'token')
end

-- Stores an item. `kind` and `subject` are texts; an empty one is none.
local function keep(s, taken, kind, subject, fresh)
  put(s, taken.items, fresh)
  redis.call('HSET', ours, 'version', digits(s.version), 'created', digits(s.created), 'idle', s.idle, 'lock', s.lock)
  local function set(field, value)
    if value and value ~= '' then redis.call('HSET', ours, field, value) else redis.call('HDEL', ours, field) end
  end
  set('latest', s.latest and digits(s.latest))
  set('born', s.born)
  set('type', kind)
  if subject then set('subject', subject) end
  set('timeout', taken.timeout ~= four(minutes(s.idle)) and taken.timeout)
  set('objects', taken.objects)
end

local function refused()
  return {REFUSED, {ok = 'what was to be stored is no session data of ASP.NET, and the other provider could not read it '
    .. '(is compressionEnabled set? it must not be); `payloads = "any"` keeps it even so'}}
end

-- An item as it is answered, after the number that says what it is; see ../prelude.lua.
local function item(s, first, ...)
  local f = redis.call('HMGET', ours, 'type', 'subject', 'timeout', 'objects')
  if not s.known then f = {false, s.same and f[2] or false, false, false} end
  local collection = items(s)
  local payload = payloads == 'any' and unwrapped(collection) or block(collection, f[3] or four(minutes(s.idle)), f[4] or '')
  return {first, s.version, s.created, s.expires or -1, s.idle, s.latest or -1, s.fresh and 1 or 0,
    payload, f[1] and {ok = f[1]} or false, f[2] and {ok = f[2]} or false, ...}
end
