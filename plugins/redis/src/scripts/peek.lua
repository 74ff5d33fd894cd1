-- peek. ARGV: name.
local s = read()
if not s then return {MISSING} end
if s.locked then return held(s) end
return item(s, DONE)
