-- get.
if busy() then return {BUSY} end
local s, reason = read(true)
if not s then return absent(reason) end
if not s.token and s.fresh then seen(s) end
slide(s)
if s.token then return held(s) end
return item(s, DONE)
