-- Only processes that want its route claim a task. Empty: all that want its kind, as those do that were
-- taken in before, or by a process of version 1.1.
alter table {s}.task add column route text not null default '';

-- What may run now, by route, in the order in which it is claimed. `state + 0`: so that the planner never
-- takes `task_ready` in its place, which would lead it past everything of other routes. That one is
-- for processes of version 1.1; a later version may drop it.
create index task_routed on {s}.task (kind, route, priority desc, id)
    where state + 0 = 0 and not is_waiting;

-- What each process claims, and until when that holds.
create table {s}.serving (
    owner bytea primary key,
    kinds text[] not null,
    routes text[] not null,
    until timestamptz not null
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);

-- As enqueue_1, with routes.
create function {s}.enqueue_2(
    p_owner bytea, p_lane integer, p_batch bigint, p_limit bigint,
    p_kinds text[], p_inputs text[], p_keys text[], p_priorities smallint[], p_run_ats bigint[],
    p_max_attempts integer[], p_max_interruptions integer[], p_routes text[]
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
            p_max_interruptions, p_routes) with ordinality
            as a (kind, input, key, priority, run_at, max_attempts, max_interruptions, route, ord)
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
            run_at, created_at, kind, input, key, route)
        select n.id, 0, n.priority, coalesce(n.wanted_at > v_now, false), n.max_attempts,
            n.max_interruptions, coalesce(n.wanted_at, v_now), v_now, n.kind, n.input, n.key,
            n.route
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

-- As claim_1, by route: a kind stands there once for each of its routes, each time with the count of the
-- whole kind.
create function {s}.claim_2(
    p_owner bytea, p_lane integer, p_batch bigint, p_mark bigint,
    p_is_first boolean, p_kinds text[], p_routes text[], p_counts integer[], p_limit integer,
    p_lease bigint
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
            select 1 from unnest(p_kinds, p_routes) as w (kind, route) where exists (
                select 1 from {s}.task t
                where t.state + 0 = 0 and not t.is_waiting and t.kind = w.kind
                    and t.route = w.route
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
    with found as materialized (
        select r.id, r.priority, w.kind, w.count
        from unnest(p_kinds, p_routes, p_counts) as w (kind, route, count)
        cross join lateral (
            select t.id, t.priority from {s}.task t
            where t.state + 0 = 0 and not t.is_waiting and t.kind = w.kind and t.route = w.route
            order by t.priority desc, t.id
            limit least(w.count, p_limit) for update skip locked
        ) r
    ), ranked as materialized (
        select f.id, f.priority, f.count,
            row_number() over (partition by f.kind order by f.priority desc, f.id) as place
        from found f
    ), picked as materialized (
        select r.id from ranked r where r.place <= r.count
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

-- Says why an attempt is about to be given back. Done twice, it is done once.
create function {s}.decline_2(
    p_owner bytea, p_ids bigint[], p_attempts integer[], p_reasons text[]
) returns void
language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    with declined as materialized (
        select t.id, a.reason
        from unnest(p_ids, p_attempts, p_reasons) as a (id, attempt, reason)
        join {s}.task t on t.id = a.id
        where t.attempt = a.attempt and t.state + 0 = 1 and t.owner = p_owner
        order by a.id for update of t
    )
    update {s}.task t set error = d.reason from declined d where t.id = d.id;
end $$;

-- Says what a process claims. Without kinds it claims nothing any more.
create function {s}.advertise_2(
    p_owner bytea, p_kinds text[], p_routes text[], p_life bigint
) returns void language plpgsql as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    delete from {s}.serving v where v.owner in (
        select o.owner from {s}.serving o
        where o.until < v_now - interval '1 hour' for update skip locked
    );
    if cardinality(p_kinds) = 0 then
        delete from {s}.serving v where v.owner = p_owner;
        return;
    end if;
    insert into {s}.serving (owner, kinds, routes, until)
    values (p_owner, p_kinds, p_routes, v_now + p_life * interval '1 millisecond')
    on conflict (owner) do update
        set kinds = excluded.kinds, routes = excluded.routes, until = excluded.until;
end $$;

-- Routes with tasks that could run now and that no living process claims. Each route costs one step into
-- the index.
create function {s}.unserved_2(p_routes integer, p_counted bigint)
returns table (o_kind text, o_route text, o_tasks bigint)
language plpgsql stable
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    return query
    with recursive ready (kind, route) as (
        (
            select t.kind, t.route from {s}.task t
            where t.state + 0 = 0 and not t.is_waiting order by t.kind, t.route limit 1
        )
        union all
        select n.kind, n.route from ready r cross join lateral (
            select t.kind, t.route from {s}.task t
            where t.state + 0 = 0 and not t.is_waiting and (t.kind, t.route) > (r.kind, r.route)
            order by t.kind, t.route limit 1
        ) n
    ), served as materialized (
        select distinct w.kind, w.route
        from {s}.serving v cross join lateral unnest(v.kinds, v.routes) as w (kind, route)
        where v.until > v_now
    ), missing as materialized (
        select r.kind, r.route from ready r
        where not exists (
            select 1 from served w where w.kind = r.kind and w.route = r.route
        )
        limit p_routes
    )
    select m.kind, m.route, (
        select count(*) from (
            select 1 from {s}.task t
            where t.state + 0 = 0 and not t.is_waiting and t.kind = m.kind and t.route = m.route
            limit p_counted
        ) c
    ) from missing m order by m.kind, m.route;
end $$;
