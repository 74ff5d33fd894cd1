-- release-exclusive. ARGV: ..., lock id. Answers whether the session was uninitialized.
if busy() then return {BUSY} end
local s, reason = read(true)
if not s then
  left_over(ARGV[2])
  return absent(reason)
end
if not admits(s, ARGV[2]) then
  slide(s)
  return held(s)
end
if s.token then unlock(s) end
if s.fresh then seen(s) end
slide(s)
return {DONE, s.fresh and 1 or 0}
