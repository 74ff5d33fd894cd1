-- set-and-release. ARGV: ..., payload, type, subject ('-': keep), idle, latest, lock id, condition, keep-lock.
-- The condition is '' for none, 'new', or the version that the session must have.
if busy() then return {BUSY} end
local s, reason = read(true)
if reason then return absent(reason) end
local condition = ARGV[8]
local taken = taken_apart(ARGV[2])
if not s then
  if condition ~= '' and condition ~= 'new' then return {STALE, 0} end
  if not taken then return refused() end
  -- With a lock that outlived its session, so that its holder cannot store over this one.
  drop()
  s = {version = 0, created = now, lock = 1}
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
  if not taken then return refused() end
  if s.token and ARGV[9] ~= '1' then unlock(s) end
end
s.version = s.version + 1
s.idle = tonumber(ARGV[5])
-- A latest expiry is brought forward and never put off.
local latest = tonumber(ARGV[6])
if latest and (not s.latest or latest < s.latest) then s.latest = latest end
local subject = ARGV[4]
if subject == '-' then subject = nil end
keep(s, taken, ARGV[3], subject, false)
slide(s)
return {DONE, s.version}
