-- remove. ARGV: ..., lock id, whether the item is wanted.
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
local answer = {DONE}
if ARGV[3] == '1' then answer = item(s, DONE) end
drop()
return answer
