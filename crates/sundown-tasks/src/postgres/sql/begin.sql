-- Every write begins here: once, however often it is sent.
create function {s}.begin_1(p_owner bytea, p_lane integer, p_batch bigint) returns void
language plpgsql as $$
begin
    -- Whoever asked gives up after a while. What still waited for a lock then would be done behind its
    -- back, and once more when it is asked again: so it is rolled back before.
    perform set_config('lock_timeout', '2s', true);
    insert into {s}.counter as c (owner, lane, batch, touched_at)
    values (p_owner, p_lane, p_batch, clock_timestamp())
    on conflict (owner, lane) do update
        set batch = excluded.batch, touched_at = excluded.touched_at
        where c.batch < excluded.batch;
    if not found then
        raise exception 'write % of connection % was done before', p_batch, p_lane
            using errcode = 'SD001';
    end if;
end $$;

create function {s}.count_1(
    p_owner bytea, p_lane integer, p_pending bigint, p_running bigint, p_dead bigint
) returns void language plpgsql as $$
begin
    if p_pending = 0 and p_running = 0 and p_dead = 0 then
        return;
    end if;
    update {s}.counter c
    set pending = c.pending + p_pending, running = c.running + p_running, dead = c.dead + p_dead
    where c.owner = p_owner and c.lane = p_lane;
end $$;

-- Adds the rows of processes that have been silent for long to the row of nobody. One that comes
-- back begins a new row.
create function {s}.fold_1() returns void
language plpgsql set enable_seqscan = on as $$
begin
    with silent as (
        select c.owner, c.lane from {s}.counter c
        where c.owner <> '' and c.touched_at < clock_timestamp() - interval '10 minutes'
        order by c.owner, c.lane limit 1000 for update skip locked
    ), gone as (
        delete from {s}.counter c using silent
        where c.owner = silent.owner and c.lane = silent.lane
        returning c.pending, c.running, c.dead
    ), added as (
        select sum(pending) as pending, sum(running) as running, sum(dead) as dead
        from gone having count(*) > 0
    )
    insert into {s}.counter as c (owner, lane, batch, pending, running, dead, touched_at)
    select '', 0, 0, added.pending, added.running, added.dead, clock_timestamp() from added
    on conflict (owner, lane) do update
        set pending = c.pending + excluded.pending,
            running = c.running + excluded.running,
            dead = c.dead + excluded.dead,
            touched_at = excluded.touched_at;
end $$;

-- Somebody else was quicker: everything is rolled back and tried again.
create function {s}.again_1() returns bigint language plpgsql as $$
begin
    raise exception 'another process wrote the same key' using errcode = '40001';
end $$;
