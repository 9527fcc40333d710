-- A running task is found by its id: `state + 0` keeps the planner from the index of leases.
-- Ends attempts. `p_outcomes` is the table of states, written out by the program: for each event,
-- by whether the task is unwanted, whether a failure would be its last, and whether an interruption
-- would be one too many, four times the state plus two if a failure counts plus one if an
-- interruption does. Without an owner, whoever holds the attempt has lost it. `p_again`: it was sent
-- before and may have been done then.
create function {s}.end_1(
    p_counted_by bytea, p_lane integer, p_owner bytea, p_again boolean, p_keep bigint,
    p_outcomes smallint[], p_ids bigint[], p_attempts integer[], p_events smallint[],
    p_told smallint[], p_texts text[], p_delays bigint[]
) returns table (o_ord bigint, o_id bigint, o_attempt integer, o_state smallint)
language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    return query
    with asked as materialized (
        select a.* from unnest(p_ids, p_attempts, p_events, p_told, p_texts, p_delays)
            with ordinality as a (id, attempt, event, told, body, delay, ord)
        order by a.id
    ), changed as (
        -- In the order of their ids, so that no two wait for each other.
        update {s}.task t set (
            state, failures, interruptions, owner, lease_until, last_event, first_kept, is_waiting,
            run_at, output, error, ended_at
        ) = (
            select n.next::smallint, t.failures + n.failed, t.interruptions + n.interrupted, p_owner,
                null::timestamptz,
                t.last_event + n.tells,
                greatest(t.first_kept, t.last_event + n.tells - p_keep + 1),
                n.next = 0 and a.delay > 0,
                case when n.next = 0 then v_now + a.delay * interval '1 millisecond'
                    else t.run_at end,
                case when n.next = 2 then a.body end,
                case when n.next = 2 then null when n.tells = 0 then t.error else a.body end,
                case when n.next > 1 then v_now end
            from (
                select o.outcome / 4 as next, o.outcome / 2 % 2 as failed,
                    o.outcome % 2 as interrupted, (a.told is not null)::integer as tells
                from (
                    select p_outcomes[1 + a.event * 8 + t.is_unwanted::integer * 4
                        + (t.failures + 1 >= t.max_attempts)::integer * 2
                        + (t.interruptions + 1 > t.max_interruptions)::integer] as outcome
                    offset 0
                ) o offset 0
            ) n
        )
        from asked a
        where t.id = a.id and t.attempt = a.attempt and t.state + 0 = 1
            and (p_owner is null or t.owner = p_owner)
        returning a.ord, a.told, a.body, t.id, t.attempt, t.state, t.last_event, t.first_kept
    ), said as (
        insert into {s}.event (task, seq, at, attempt, what, body)
        select c.id, c.last_event, v_now, c.attempt, c.told, c.body
        from changed c where c.told is not null
    ), pruned as (
        delete from {s}.event e using changed c
        where c.told is not null and c.first_kept > 1 and e.task = c.id and e.seq < c.first_kept
    ), counted as (
        select {s}.count_1(p_counted_by, p_lane, count(*) filter (where c.state = 0), -count(*),
            count(*) filter (where c.state in (3, 5)))
        from changed c having count(*) > 0
    )
    select c.ord, c.id, c.attempt, c.state from changed c
    where (select count(*) from counted) >= 0
    union all
    select a.ord, a.id, a.attempt, t.state from asked a join {s}.task t on t.id = a.id
    where p_again and t.attempt = a.attempt and t.owner = p_owner and t.state <> 1;
end $$;

create function {s}.finish_1(
    p_owner bytea, p_lane integer, p_batch bigint, p_again boolean, p_keep bigint,
    p_outcomes smallint[], p_ids bigint[], p_attempts integer[], p_events smallint[],
    p_told smallint[], p_texts text[], p_delays bigint[]
) returns table (o_ord bigint, o_state smallint) language plpgsql as $$
begin
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    return query select e.o_ord, e.o_state from {s}.end_1(p_owner, p_lane, p_owner, p_again, p_keep,
        p_outcomes, p_ids, p_attempts, p_events, p_told, p_texts, p_delays) e;
end $$;

-- Takes back what is leased by nobody any more.
create function {s}.rescue_1(
    p_owner bytea, p_lane integer, p_batch bigint, p_keep bigint, p_outcomes smallint[],
    p_event smallint, p_told smallint, p_reason text, p_limit integer
) returns table (o_id bigint, o_attempt integer, o_state smallint)
language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
    v_now timestamptz := clock_timestamp();
    v_ids bigint[];
    v_attempts integer[];
begin
    if not exists (select 1 from {s}.task t where t.state = 1 and t.lease_until < v_now) then
        return;
    end if;
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    select array_agg(l.id), array_agg(l.attempt) into v_ids, v_attempts from (
        select t.id, t.attempt from {s}.task t
        where t.state = 1 and t.lease_until < v_now
        order by t.lease_until limit p_limit for update skip locked
    ) l;
    if v_ids is null then
        return;
    end if;
    return query select e.o_id, e.o_attempt, e.o_state from {s}.end_1(p_owner, p_lane, null, false,
        p_keep, p_outcomes, v_ids, v_attempts,
        array_fill(p_event, array[cardinality(v_ids)]),
        array_fill(p_told, array[cardinality(v_ids)]),
        array_fill(p_reason, array[cardinality(v_ids)]),
        array_fill(0::bigint, array[cardinality(v_ids)])) e;
end $$;
