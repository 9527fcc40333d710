-- What is kept. `{s}` is the schema. States by number: 0 pending, 1 running, 2 succeeded, 3 failed,
-- 4 cancelled, 5 dead.

create table {s}.task (
    id bigint primary key,
    state smallint not null,
    priority smallint not null,
    is_waiting boolean not null,
    is_unwanted boolean not null default false,
    attempt integer not null default 0,
    failures integer not null default 0,
    interruptions integer not null default 0,
    max_attempts integer not null,
    max_interruptions integer not null,
    last_event bigint not null default 0,
    first_kept bigint not null default 1,
    claimed_in bigint,
    run_at timestamptz not null,
    created_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    lease_until timestamptz,
    owner bytea,
    kind text not null,
    input text not null,
    key text,
    output text,
    error text,
    step text,
    cursor text
) with (
    fillfactor = 85,
    autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_cost_delay = 0
);

create sequence {s}.task_number owned by {s}.task.id;

-- What may run now, in the order in which it is claimed.
create index task_ready on {s}.task (kind, priority desc, id) where state = 0 and not is_waiting;
-- What waits for its time.
create index task_waiting on {s}.task (run_at) where state = 0 and is_waiting;
-- What runs, those first whose lease ends first.
create index task_leased on {s}.task (lease_until) where state = 1;
create unique index task_key on {s}.task (key) where key is not null;
create index task_ended on {s}.task (ended_at) where ended_at is not null;
-- What people look for: failed, cancelled, dead.
create index task_troubled on {s}.task (state, id) where state in (3, 4, 5);

create table {s}.event (
    task bigint not null,
    seq bigint not null,
    at timestamptz not null,
    attempt integer not null,
    what smallint not null,
    body text,
    primary key (task, seq)
);

-- How many tasks there are is the sum of what each connection of each process added. Each has a row
-- of its own, so nobody waits for anybody. `batch` is the last write that it committed: a write that
-- is sent again because its answer was lost is told from a new one.
create table {s}.counter (
    owner bytea not null,
    lane integer not null,
    batch bigint not null,
    pending bigint not null default 0,
    running bigint not null default 0,
    dead bigint not null default 0,
    touched_at timestamptz not null,
    primary key (owner, lane)
) with (fillfactor = 20, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
