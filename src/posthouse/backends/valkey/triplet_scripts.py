"""Greylisting inside Valkey: scripts that run whole, one after the other, so that each call is one round trip and one step.

``DECIDE`` keeps to ``model.triplet.step``. All keys have one hash tag, so that they lie together in a cluster:

    {greylist}:t:MEMBER         hash of a triplet: f first, l last, v valid at, n tries, p passes, k learnt, d domain
    {greylist}:expiry           sorted set of all members by when they end
    {greylist}:w:NETWORK        sorted set of a network's members that wait, by when they were first seen
    {greylist}:valid, :clients  hash of valid triplets by network; sorted set of networks by when they end
    {greylist}:waiting          how many wait in all
    {greylist}:s:DAY:KIND       hash of counts, field NAME<sep>COLUMN; {greylist}:n:DAY:KIND the set of names; {greylist}:days
    {greylist}:r:DOMAIN         hash of "good ends" by network; {greylist}:reputations sorted set of DOMAIN<sep>NETWORK

A MEMBER is network, sender and recipient with a separator that none of them has in it.
"""

from __future__ import annotations

from posthouse.model.triplet import MOST_NAMES, OTHERS

SEPARATOR = "\x1f"
PREFIX = "{greylist}:"

_SHARED = f"""
local P, SEP = '{PREFIX}', '\\31'
local function key(a, b) return P .. a .. ':' .. b end
local function text(number) return string.format('%.6f', number) end
local function count(domain, network, at, column, by)
    local day = math.floor(at / 86400)
    redis.call('SADD', P .. 'days', day)
    for kind, name in pairs({{domain = domain, network = network}}) do
        local place = day .. ':' .. kind
        if redis.call('SISMEMBER', key('n', place), name) == 0 then
            if redis.call('SCARD', key('n', place)) >= {MOST_NAMES} then name = '{OTHERS}' end
            redis.call('SADD', key('n', place), name)
        end
        redis.call('HINCRBY', key('s', place), name .. SEP .. column, by)
    end
end
local function network_of(member) return string.match(member, '^[^' .. SEP .. ']*') end
local function drop(member, forget)
    local known = redis.call('HMGET', key('t', member), 'f', 'v', 'd')
    if not known[1] then redis.call('ZREM', P .. 'expiry', member) return 0 end
    local network = network_of(member)
    redis.call('DEL', key('t', member))
    redis.call('ZREM', P .. 'expiry', member)
    if tonumber(known[2]) == 0 then
        redis.call('ZREM', key('w', network), member)
        redis.call('DECR', P .. 'waiting')
        if not forget then count(known[3], network, tonumber(known[1]), 'lost', 1) end
    elseif forget and tonumber(redis.call('HGET', P .. 'valid', network) or 0) > 0 then
        redis.call('HINCRBY', P .. 'valid', network, -1)
    end
    return 1
end
"""

DECIDE = (
    _SHARED
    + """
local at, earliest, latest, lifetime = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local most_waiting, most, auto_allow, learning = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8]
local outcomes = {}
for i = 9, #ARGV, 3 do
    local member, network, domain = ARGV[i], ARGV[i + 1], ARGV[i + 2]
    local hash, outcome = key('t', member), nil
    local valid = tonumber(redis.call('HGET', P .. 'valid', network) or 0)
    local ends = tonumber(redis.call('ZSCORE', P .. 'clients', network) or 0)
    if auto_allow > 0 and valid >= auto_allow and at <= ends then
        outcome = 'allowed'
        redis.call('ZADD', P .. 'clients', text(at + lifetime), network)
    else
        local known = redis.call('HMGET', hash, 'f', 'l', 'v')
        local first, last, valid_at = tonumber(known[1] or 0), tonumber(known[2] or 0), tonumber(known[3] or 0)
        if not known[1] then outcome = 'new'
        elseif valid_at > 0 then outcome = (at - last > lifetime) and 'late' or 'valid'
        elseif at - first < earliest then outcome = 'early'
        elseif at - first > latest then outcome = 'late'
        else outcome = 'retried' end
        if outcome == 'late' and valid_at == 0 then count(domain, network, first, 'lost', 1) end
        if outcome == 'new' or (outcome == 'late' and valid_at > 0) then
            if redis.call('ZCARD', key('w', network)) >= most_waiting then
                local few = math.max(math.floor(most_waiting / 10), 1)
                for _, old in ipairs(redis.call('ZRANGE', key('w', network), 0, few - 1)) do drop(old, false) end
            end
            if redis.call('ZCARD', P .. 'expiry') >= most then
                local few = math.max(math.floor(most / 100), 1)
                for _, old in ipairs(redis.call('ZRANGE', P .. 'expiry', 0, few - 1)) do drop(old, false) end
            end
            redis.call('INCR', P .. 'waiting')
        end
        if outcome == 'new' or outcome == 'late' then
            redis.call('HSET', hash, 'f', ARGV[1], 'l', ARGV[1], 'v', '0', 'n', 1, 'p', 0, 'k', learning, 'd', domain)
            redis.call('ZADD', key('w', network), ARGV[1], member)
            redis.call('ZADD', P .. 'expiry', text(at + latest), member)
        else
            last = math.max(last, at)
            redis.call('HSET', hash, 'l', text(last))
            redis.call('HINCRBY', hash, outcome == 'early' and 'n' or 'p', 1)
            if outcome == 'retried' then
                redis.call('HSET', hash, 'v', ARGV[1])
                redis.call('ZREM', key('w', network), member)
                redis.call('DECR', P .. 'waiting')
                redis.call('HINCRBY', P .. 'valid', network, 1)
            end
            local ending = outcome == 'early' and first + latest or last + lifetime
            redis.call('ZADD', P .. 'expiry', text(ending), member)
        end
        if outcome == 'retried' or outcome == 'valid' then
            redis.call('ZADD', P .. 'clients', text(math.max(ends, at + lifetime)), network)
        end
    end
    local column = learning == '1' and 'would_wait' or 'delayed'
    if outcome == 'retried' then column = 'retried'
    elseif outcome == 'valid' or outcome == 'allowed' then column = 'passed' end
    count(domain, network, at, column, 1)
    outcomes[#outcomes + 1] = outcome
end
return outcomes
"""
)

USE = (
    _SHARED
    + """
local lifetime, learning = tonumber(ARGV[1]), ARGV[2]
for i = 3, #ARGV, 6 do
    local member, network, domain, outcome, uses, at = unpack(ARGV, i, i + 5)
    local hash, early = key('t', member), outcome == 'early'
    at = tonumber(at)
    count(domain, network, at, not early and 'passed' or (learning == '1' and 'would_wait' or 'delayed'), uses)
    if not early then
        local ends = redis.call('ZSCORE', P .. 'clients', network)
        if ends then redis.call('ZADD', P .. 'clients', text(math.max(tonumber(ends), at + lifetime)), network) end
    end
    if outcome ~= 'allowed' then
        local known = redis.call('HMGET', hash, 'l', 'v')
        if known[1] then
            local last = math.max(tonumber(known[1]), at)
            redis.call('HSET', hash, 'l', text(last))
            redis.call('HINCRBY', hash, early and 'n' or 'p', uses)
            if tonumber(known[2]) > 0 then redis.call('ZADD', P .. 'expiry', text(last + lifetime), member) end
        end
    end
end
"""
)

FORGET = (
    _SHARED
    + """
local gone = 0
for _, member in ipairs(ARGV) do gone = gone + drop(member, true) end
return gone
"""
)

EXPIRE = (
    _SHARED
    + """
local gone = 0
for _, member in ipairs(redis.call('ZRANGEBYSCORE', P .. 'expiry', '-inf', '(' .. ARGV[1], 'LIMIT', 0, 500)) do
    gone = gone + drop(member, false)
end
if gone > 0 then return gone end
for _, network in ipairs(redis.call('ZRANGEBYSCORE', P .. 'clients', '-inf', '(' .. ARGV[1], 'LIMIT', 0, 5000)) do
    redis.call('ZREM', P .. 'clients', network)
    redis.call('HDEL', P .. 'valid', network)
end
for _, known in ipairs(redis.call('ZRANGEBYSCORE', P .. 'reputations', '-inf', '(' .. ARGV[1], 'LIMIT', 0, 5000)) do
    redis.call('HDEL', key('r', network_of(known)), string.sub(known, #network_of(known) + 2))
    redis.call('ZREM', P .. 'reputations', known)
end
for _, day in ipairs(redis.call('SMEMBERS', P .. 'days')) do
    if tonumber(day) < tonumber(ARGV[2]) then
        for _, kind in ipairs({'domain', 'network'}) do
            redis.call('DEL', key('s', day .. ':' .. kind), key('n', day .. ':' .. kind))
        end
        redis.call('SREM', P .. 'days', day)
    end
end
return 0
"""
)

PRAISE = (
    _SHARED
    + """
local domain, network, by, ends = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local good, before = string.match(redis.call('HGET', key('r', domain), network) or '0 0', '^(%S+) (%S+)$')
local until_ = math.max(tonumber(before), ends)
redis.call('HSET', key('r', domain), network, string.format('%d %.6f', tonumber(good) + by, until_))
redis.call('ZADD', P .. 'reputations', text(until_), domain .. SEP .. network)
"""
)
