-- The journal: conversations, the turns that run in them, and everything that happened.

create table conversations (
    id text primary key,
    title text not null default '',
    created real not null,
    updated real not null,
    seq integer not null default 0,     -- the number of the last event
    turns integer not null default 0
) strict;
create index conversations_by_update on conversations (updated desc);

create table turns (
    id text primary key,
    conversation_id text not null references conversations (id) on delete cascade,
    status text not null default 'open' check (status in ('open', 'finished')),
    epoch integer not null default 1,   -- goes up with each claim; only the highest may write
    owner text not null
) strict;
create unique index one_open_turn on turns (conversation_id) where status = 'open';

create table events (
    conversation_id text not null references conversations (id) on delete cascade,
    seq integer not null,
    turn_id text not null,
    key text not null,                  -- what is recorded, once per turn
    at real not null,                   -- seconds since 1970, UTC
    body text not null,                 -- the event as JSON
    primary key (conversation_id, seq)
) strict, without rowid;
create unique index recorded_once on events (turn_id, key);
