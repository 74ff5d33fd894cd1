-- create-uninitialized. ARGV: ..., payload, type, subject, idle, latest; an empty text is none.
if busy() then return {BUSY} end
local s, reason = read(true)
if reason then return absent(reason) end
if s then
  slide(s)
  return {DONE}
end
local taken = taken_apart(ARGV[2])
if not taken then return refused() end
drop()
s = {version = 1, created = now, lock = 1, idle = tonumber(ARGV[5]), latest = tonumber(ARGV[6])}
keep(s, taken, ARGV[3], ARGV[4], true)
slide(s)
return {DONE}
