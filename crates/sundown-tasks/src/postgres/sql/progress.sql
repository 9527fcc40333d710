-- A running task is found by its id: `state + 0` keeps the planner from the index of leases.
-- Writes what attempts tell, in its order, and how far they came.
create function {s}.progress_1(
    p_owner bytea, p_lane integer, p_batch bigint, p_keep bigint, p_told smallint,
    p_ids bigint[], p_attempts integer[], p_bodies text[], p_steps text[], p_cursors text[]
) returns table (o_ord bigint, o_seq bigint)
language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
declare
    v_now timestamptz := clock_timestamp();
begin
    perform {s}.begin_1(p_owner, p_lane, p_batch);
    perform t.id from (
        select distinct a.id from unnest(p_ids) as a (id) order by a.id
    ) n join {s}.task t on t.id = n.id order by n.id for update of t;
    return query
    with said as materialized (
        select a.*, t.first_kept,
            t.last_event + count(a.body) over (partition by a.id order by a.ord) as seq,
            t.last_event + count(a.body) over (partition by a.id) as last
        from unnest(p_ids, p_attempts, p_bodies, p_steps, p_cursors)
            with ordinality as a (id, attempt, body, step, cursor, ord)
        join {s}.task t on t.id = a.id
        where t.attempt = a.attempt and t.state + 0 = 1 and t.owner = p_owner
    ), summed as materialized (
        select s.id, s.last, s.first_kept,
            greatest(s.first_kept, s.last - p_keep + 1) as kept_from,
            (array_agg(s.step order by s.ord desc) filter (where s.step is not null))[1] as step,
            (array_agg(s.cursor order by s.ord desc) filter (where s.step is not null))[1]
                as cursor
        from said s group by s.id, s.last, s.first_kept
    ), changed as (
        update {s}.task t set last_event = s.last, first_kept = s.kept_from,
            step = coalesce(s.step, t.step),
            cursor = case when s.step is null then t.cursor else s.cursor end
        from summed s where t.id = s.id
    ), written as (
        insert into {s}.event (task, seq, at, attempt, what, body)
        select s.id, s.seq, v_now, s.attempt, p_told, s.body
        from said s where s.body is not null and s.seq > s.last - p_keep
    ), pruned as (
        delete from {s}.event e using summed s
        where s.first_kept < s.kept_from
            and e.task = s.id and e.seq >= s.first_kept and e.seq < s.kept_from
    )
    select s.ord, s.seq from said s;
end $$;

create function {s}.renew_1(p_owner bytea, p_ids bigint[], p_attempts integer[], p_leases bigint[])
returns table (o_ord bigint, o_is_unwanted boolean)
language plpgsql
set plan_cache_mode = force_generic_plan set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    return query
    with held as materialized (
        select t.id, t.is_unwanted, a.lease, a.ord
        from unnest(p_ids, p_attempts, p_leases) with ordinality as a (id, attempt, lease, ord)
        join {s}.task t on t.id = a.id
        where t.attempt = a.attempt and t.state + 0 = 1 and t.owner = p_owner
        order by a.id for update of t
    ), prolonged as (
        update {s}.task t
        set lease_until = clock_timestamp() + h.lease * interval '1 millisecond'
        from held h where t.id = h.id
    )
    select h.ord, h.is_unwanted from held h order by h.ord;
end $$;
