-- What web applications store, and what the other providers keep of it.
--
-- ASP.NET stores a block: the timeout in minutes (4 bytes), whether there are items, whether there are static objects (a
-- byte each), the items, the static objects, 255. The other providers keep the items alone, as a collection: their number;
-- if it is not 0 the place of the item without a name, the names, where each value ends, the values. Numbers have 4 bytes,
-- the lowest first. Whoever reads a collection reads as far as the last value ends, so what stands behind it is ours.
--
-- ARGV[1]  how long a lock lasts in milliseconds, where the layout has locks that end; then 'any' where payloads that are
--          no blocks are kept, too
local lifetime, payloads = string.match(ARGV[1], '(%d+) (%a+)')
lifetime = tonumber(lifetime)

-- A collection of no items.
local EMPTY = '\000\000\000\000'
-- What follows everything that we stored. The other providers do not write it back, which tells us of it.
local MARK = '\000cloakroom'
-- A payload that is no block is a collection of one item, `cloakroom`: an array of bytes as BinaryFormatter writes it.
local WRAPPER = '\001\000\000\000\255\255\255\255\009cloakroom'
local ARRAY = '\020\000\001\000\000\000\255\255\255\255\001\000\000\000\000\000\000\000\015\001\000\000\000'
-- What stands around the bytes of the array: how many there are and that they are bytes, and the end of the stream.
local AROUND = 6

local function number(bytes, at)
  if #bytes < at + 3 then return nil end
  return (struct.unpack('<i4', bytes, at))
end

local function four(value)
  return struct.pack('<i4', value)
end

-- Numbers beyond 14 digits are not to be rounded.
local function digits(value)
  return string.format('%.0f', value)
end

-- Where the collection ends that begins there; nil if it is none.
local function end_of_items(bytes, at)
  local count, unnamed = number(bytes, at), number(bytes, at + 4)
  if not unnamed or count < 1 or count > #bytes then return nil end
  at = at + 8
  for place = 0, count - 1 do
    if place ~= unnamed then
      local length, weight = 0, 1
      repeat
        local byte = string.byte(bytes, at)
        if not byte or weight > 268435456 then return nil end
        length = length + byte % 128 * weight
        weight = weight * 128
        at = at + 1
      until byte < 128
      at = at + length
    end
  end
  local values = number(bytes, at + 4 * (count - 1))
  if not values or values < 0 then return nil end
  return at + 4 * count + values
end

-- The parts of a block: items, timeout, static objects. Nil if it is none.
local function parts(block)
  if #block < 7 or string.byte(block, -1) ~= 255 then return nil end
  local has_items, has_objects = string.byte(block, 5, 6)
  if has_items > 1 or has_objects > 1 then return nil end
  local items, at = EMPTY, 7
  if has_items == 1 then
    at = end_of_items(block, 7)
    if not at or at > #block then return nil end
    items = string.sub(block, 7, at - 1)
  end
  if (has_objects == 1) ~= (at < #block) then return nil end
  return {items = items, timeout = string.sub(block, 1, 4), objects = string.sub(block, at, -2)}
end

-- What is kept of a payload. Nil if it is none that may be.
local function taken_apart(payload)
  local taken = parts(payload)
  if taken or payloads ~= 'any' then return taken end
  local array = ARRAY .. four(#payload) .. '\002' .. payload .. '\011'
  return {items = WRAPPER .. four(#array) .. array, objects = ''}
end

-- The payload that is in such an item, if there is one and nothing else.
local function unwrapped(items)
  local begin = #WRAPPER + 4
  local length = #items - begin - #ARRAY - AROUND
  if length < 0 or string.sub(items, 1, #WRAPPER) ~= WRAPPER then return nil end
  local around = ARRAY .. four(length) .. '\002'
  if string.sub(items, begin + 1, begin + #around) ~= around then return nil end
  return string.sub(items, begin + #around + 1, -2)
end

-- The block again.
local function block(items, timeout, objects)
  local has_items = items ~= EMPTY
  return timeout .. (has_items and '\001' or '\000') .. (objects ~= '' and '\001' or '\000')
    .. (has_items and items or '') .. objects .. '\255'
end

-- Without what we put behind it, and whether it was there.
local function unmarked(bytes)
  if string.sub(bytes, -#MARK) == MARK then return string.sub(bytes, 1, -#MARK - 1), true end
  return bytes, false
end

-- A timeout in minutes, rounded up: whoever reads it must not take it for none.
local function minutes(idle)
  return math.ceil(idle / 60)
end
