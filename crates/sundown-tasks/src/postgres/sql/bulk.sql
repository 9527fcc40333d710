-- How these tasks stand; nobody changes them before the end of the transaction. They are locked in the
-- order of their ids, so that no two writers wait for each other.
create function {s}.look_many_1(p_owner bytea, p_lane integer, p_batch bigint, p_ids bigint[])
returns table (
    o_state smallint, o_failures integer, o_interruptions integer, o_is_unwanted boolean,
    o_max_attempts integer, o_max_interruptions integer, o_id bigint
) language plpgsql as $$
begin
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    return query select t.state, t.failures, t.interruptions, t.is_unwanted, t.max_attempts,
        t.max_interruptions, t.id
    from {s}.task t where t.id = any (p_ids) order by t.id for update;
end $$;

-- Writes how they stand now, as change_1 does for one.
create function {s}.change_many_1(
    p_owner bytea, p_lane integer, p_keep bigint, p_ids bigint[], p_states smallint[],
    p_failures integer[], p_interruptions integer[], p_are_unwanted boolean[], p_told smallint
) returns void language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
    v_tells bigint := (p_told is not null)::integer;
    v_pending bigint;
    v_running bigint;
    v_dead bigint;
begin
    with asked as materialized (
        select a.*, t.state as was, t.attempt, t.last_event + v_tells as last_event,
            greatest(t.first_kept, t.last_event + v_tells - p_keep + 1) as first_kept
        from unnest(p_ids, p_states, p_failures, p_interruptions, p_are_unwanted)
            as a (id, state, failures, interruptions, is_unwanted)
        join {s}.task t on t.id = a.id
    ), changed as (
        update {s}.task t set state = a.state, failures = a.failures,
            interruptions = a.interruptions, is_unwanted = a.is_unwanted,
            last_event = a.last_event, first_kept = a.first_kept,
            is_waiting = a.state = 0 and t.is_waiting and a.was = 0,
            ended_at = case when a.state > 1 then v_now end,
            run_at = case when a.state = 0 then v_now else t.run_at end,
            owner = case when a.state <> 0 then t.owner end,
            output = case when a.state <> 0 then t.output end,
            error = case when a.state <> 0 then t.error end,
            step = case when a.state <> 0 then t.step end,
            cursor = case when a.state <> 0 then t.cursor end
        from asked a where t.id = a.id
    ), said as (
        insert into {s}.event (task, seq, at, attempt, what, body)
        select a.id, a.last_event, v_now, a.attempt, p_told, null from asked a
        where p_told is not null and a.last_event >= a.first_kept
    ), pruned as (
        delete from {s}.event e using asked a
        where p_told is not null and a.first_kept > 1 and e.task = a.id and e.seq < a.first_kept
    )
    select sum((a.state = 0)::integer - (a.was = 0)::integer),
        sum((a.state = 1)::integer - (a.was = 1)::integer),
        sum((a.state in (3, 5))::integer - (a.was in (3, 5))::integer)
    into v_pending, v_running, v_dead from asked a;
    perform {s}.count_1(p_owner, p_lane, coalesce(v_pending, 0), coalesce(v_running, 0),
        coalesce(v_dead, 0));
end $$;

create function {s}.discard_many_1(p_owner bytea, p_lane integer, p_ids bigint[]) returns void
language plpgsql as $$
declare
    v_dead bigint;
begin
    with gone as (
        delete from {s}.task t where t.id = any (p_ids) returning t.state
    )
    select count(*) filter (where g.state in (3, 5)) into v_dead from gone g;
    delete from {s}.event e where e.task = any (p_ids);
    perform {s}.count_1(p_owner, p_lane, 0, 0, -v_dead);
end $$;
