-- reset-timeout. ARGV: name.
local s = read()
if not s then return {MISSING} end
slide(s)
return {DONE}
