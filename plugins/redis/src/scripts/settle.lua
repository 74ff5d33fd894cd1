-- Forgets a session whose end was told. ARGV: '', the number of its claim.
redis.call('UNLINK', ended .. ':' .. ARGV[2])
redis.call('ZREM', due, 'x' .. ARGV[2])
return {DONE}
