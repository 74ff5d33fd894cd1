-- remove. ARGV: name, lock id, whether the item is wanted.
local s = read()
if not s then return {MISSING} end
if not admits(s, ARGV[2]) then
  slide(s)
  return held(s)
end
local answer = {DONE}
if ARGV[3] == '1' then answer = item(s, DONE) end
redis.call('UNLINK', session)
redis.call('ZREM', due, name)
return answer
