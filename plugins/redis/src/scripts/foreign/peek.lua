-- peek.
local s, reason = read(false)
if not s then return absent(reason) end
if s.token then return held(s) end
return item(s, DONE)
