-- The journal: conversations, the turns that run in them, everything that happened, and what finds it again.

create table conversations (
    id text primary key,
    title text not null default '',
    created real not null,
    updated real not null,
    seq integer not null default 0,     -- the number of the last event
    turns integer not null default 0,
    parent text not null default '',        -- the conversation this one was forked from
    parent_seq integer not null default 0   -- the last event that both have
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

create table blobs (
    hash text primary key,              -- sha256 of the body, hex
    body text not null
) strict;
create table blob_uses (
    hash text not null references blobs (hash),
    conversation_id text not null references conversations (id) on delete cascade,
    primary key (hash, conversation_id)
) strict, without rowid;
create index blob_uses_by_conversation on blob_uses (conversation_id);

-- One row for each event that says something; `kind` is user, assistant or tool.
create table sayings (
    id integer primary key,
    conversation_id text not null references conversations (id) on delete cascade,
    seq integer not null,
    kind text not null,
    words text not null
) strict;
create index sayings_by_conversation on sayings (conversation_id);

create virtual table said using fts5 (
    words, content = 'sayings', content_rowid = 'id', tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
create virtual table returned using fts5 (
    words, content = 'sayings', content_rowid = 'id', tokenize = "unicode61 remove_diacritics 2"
);
create trigger said_added after insert on sayings when new.kind <> 'tool' begin
    insert into said (rowid, words) values (new.id, new.words);
end;
create trigger said_removed after delete on sayings when old.kind <> 'tool' begin
    insert into said (said, rowid, words) values ('delete', old.id, old.words);
end;
create trigger returned_added after insert on sayings when new.kind = 'tool' begin
    insert into returned (rowid, words) values (new.id, new.words);
end;
create trigger returned_removed after delete on sayings when old.kind = 'tool' begin
    insert into returned (returned, rowid, words) values ('delete', old.id, old.words);
end;
