-- Claims what may run now. Leases end by the server's clock. `p_is_first`: it was not sent before, so
-- where nothing is to be claimed nothing is to be written.
create function {s}.claim_1(
    p_owner bytea, p_lane integer, p_batch bigint, p_mark bigint,
    p_is_first boolean, p_kinds text[], p_counts integer[], p_limit integer, p_lease bigint
) returns table (
    o_id bigint, o_attempt integer, o_priority smallint, o_kind text, o_input text, o_step text,
    o_cursor text, o_failures integer, o_interruptions integer, o_max_attempts integer
)
language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_now timestamptz := clock_timestamp();
    v_claimed bigint;
begin
    if p_is_first
        and not exists (
            select 1 from {s}.task t where t.state = 0 and t.is_waiting and t.run_at <= v_now
        )
        and not exists (
            select 1 from unnest(p_kinds) as w (kind) where exists (
                select 1 from {s}.task t
                where t.state = 0 and not t.is_waiting and t.kind = w.kind
            )
        )
    then
        return;
    end if;
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    with due as materialized (
        select t.id from {s}.task t
        where t.state = 0 and t.is_waiting and t.run_at <= v_now
        order by t.run_at limit 1000 for update skip locked
    )
    update {s}.task t set is_waiting = false from due where t.id = due.id;
    return query
    with picked as materialized (
        select r.id
        from unnest(p_kinds, p_counts) as w (kind, count)
        cross join lateral (
            select t.id, t.priority from {s}.task t
            where t.state = 0 and not t.is_waiting and t.kind = w.kind
            order by t.priority desc, t.id
            limit least(w.count, p_limit) for update skip locked
        ) r
        order by r.priority desc, r.id limit p_limit
    )
    update {s}.task t
    set state = 1, attempt = t.attempt + 1, owner = p_owner, claimed_in = p_mark,
        started_at = v_now,
        lease_until = clock_timestamp() + p_lease * interval '1 millisecond'
    from picked where t.id = picked.id
    returning t.id, t.attempt, t.priority, t.kind, t.input, t.step, t.cursor, t.failures,
        t.interruptions, t.max_attempts;
    get diagnostics v_claimed = row_count;
    perform {s}.count_1(p_owner, p_lane, -v_claimed, v_claimed, 0);
end $$;
