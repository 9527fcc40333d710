-- Takes tasks in, in their order. A key comes at most once in a call.
create function {s}.enqueue_1(
    p_owner bytea, p_lane integer, p_batch bigint, p_limit bigint,
    p_kinds text[], p_inputs text[], p_keys text[], p_priorities smallint[], p_run_ats bigint[],
    p_max_attempts integer[], p_max_interruptions integer[]
) returns table (o_ord bigint, o_is_new boolean, o_id bigint, o_kind text, o_input text)
language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_now timestamptz := clock_timestamp();
    v_pending bigint;
begin
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    select coalesce(sum(c.pending), 0) into v_pending from {s}.counter c;
    -- Near the limit one counts after the other.
    if v_pending + cardinality(p_kinds) + 20000 > p_limit then
        perform pg_advisory_xact_lock(hashtextextended('{s}.enqueue', 0));
        select coalesce(sum(c.pending), 0) into v_pending from {s}.counter c;
    end if;
    return query
    with asked as materialized (
        select a.*, t.id as known, t.kind as known_kind, t.input as known_input
        from unnest(p_kinds, p_inputs, p_keys, p_priorities, p_run_ats, p_max_attempts,
            p_max_interruptions) with ordinality
            as a (kind, input, key, priority, run_at, max_attempts, max_interruptions, ord)
        left join {s}.task t on t.key = a.key
    ), placed as materialized (
        select a.*, a.known is null
            and v_pending + count(*) filter (where a.known is null) over (order by a.ord) <= p_limit
            as is_new
        from asked a order by a.ord
    ), numbered as materialized (
        select p.*, to_timestamp(p.run_at / 1000.0) as wanted_at,
            case when p.is_new then nextval('{s}.task_number') end as id
        from placed p
    ), put as (
        insert into {s}.task (id, state, priority, is_waiting, max_attempts, max_interruptions,
            run_at, created_at, kind, input, key)
        select n.id, 0, n.priority, coalesce(n.wanted_at > v_now, false), n.max_attempts,
            n.max_interruptions, coalesce(n.wanted_at, v_now), v_now, n.kind, n.input, n.key
        from numbered n where n.is_new
        on conflict (key) where key is not null do nothing
        returning id
    ), counted as (
        update {s}.counter c set pending = c.pending + (select count(*) from put)
        where c.owner = p_owner and c.lane = p_lane
    )
    select n.ord, n.is_new,
        case when (select count(*) from put) < (select count(*) from numbered m where m.is_new)
            then {s}.again_1() else coalesce(n.known, n.id) end,
        n.known_kind, n.known_input
    from numbered n order by n.ord;
end $$;
