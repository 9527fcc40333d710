-- How a task stands; nobody changes it before the end of the transaction.
create function {s}.look_1(p_owner bytea, p_lane integer, p_batch bigint, p_id bigint)
returns table (
    o_state smallint, o_failures integer, o_interruptions integer, o_is_unwanted boolean,
    o_max_attempts integer, o_max_interruptions integer
) language plpgsql as $$
begin
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    return query select t.state, t.failures, t.interruptions, t.is_unwanted, t.max_attempts,
        t.max_interruptions from {s}.task t where t.id = p_id for update;
end $$;

-- Writes how it stands now. `p_told` is an event, if there is one. A task that begins again has
-- neither a checkpoint nor an owner.
create function {s}.change_1(
    p_owner bytea, p_lane integer, p_keep bigint, p_id bigint, p_state smallint,
    p_failures integer, p_interruptions integer, p_is_unwanted boolean, p_told smallint
) returns void language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_old {s}.task;
    v_kept_from bigint;
    v_last bigint;
begin
    select * into strict v_old from {s}.task t where t.id = p_id;
    v_last := v_old.last_event + (p_told is not null)::integer;
    v_kept_from := greatest(v_old.first_kept, v_last - p_keep + 1);
    update {s}.task t set state = p_state, failures = p_failures,
        interruptions = p_interruptions, is_unwanted = p_is_unwanted,
        last_event = v_last, first_kept = v_kept_from,
        is_waiting = p_state = 0 and t.is_waiting and v_old.state = 0,
        ended_at = case when p_state > 1 then v_now end
    where t.id = p_id;
    if p_state = 0 then
        update {s}.task t set run_at = v_now, owner = null, output = null, error = null,
            step = null, cursor = null
        where t.id = p_id;
    end if;
    if p_told is not null and v_last >= v_kept_from then
        insert into {s}.event (task, seq, at, attempt, what, body)
        values (p_id, v_last, v_now, v_old.attempt, p_told, null);
    end if;
    delete from {s}.event e where e.task = p_id and e.seq < v_kept_from;
    perform {s}.count_1(p_owner, p_lane,
        (p_state = 0)::integer - (v_old.state = 0)::integer,
        (p_state = 1)::integer - (v_old.state = 1)::integer,
        (p_state in (3, 5))::integer - (v_old.state in (3, 5))::integer);
end $$;

create function {s}.discard_1(p_owner bytea, p_lane integer, p_id bigint) returns void
language plpgsql as $$
declare
    v_state smallint;
begin
    delete from {s}.task t where t.id = p_id returning t.state into v_state;
    delete from {s}.event e where e.task = p_id;
    perform {s}.count_1(p_owner, p_lane, 0, 0, -(v_state in (3, 5))::integer);
end $$;

create function {s}.purge_1(
    p_owner bytea, p_lane integer, p_batch bigint, p_age bigint, p_limit integer
) returns bigint language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_before timestamptz := clock_timestamp() - p_age * interval '1 millisecond';
    v_gone bigint;
    v_dead bigint;
begin
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    perform {s}.fold_1();
    with old as materialized (
        select t.id from {s}.task t where t.ended_at <= v_before
        order by t.ended_at limit p_limit for update skip locked
    ), gone as (
        delete from {s}.task t using old where t.id = old.id returning t.id, t.state
    ), silenced as (
        delete from {s}.event e using old where e.task = old.id
    )
    select count(*), count(*) filter (where g.state in (3, 5)) into v_gone, v_dead from gone g;
    perform {s}.count_1(p_owner, p_lane, 0, 0, -v_dead);
    return v_gone;
end $$;
