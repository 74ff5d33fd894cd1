-- reset-timeout. It changes nothing that the other provider writes back, so it need not wait for it.
local s, reason = read(true)
if not s then return absent(reason) end
slide(s)
return {DONE}
