//! The pure scheduler: a checked graph of what comes after what, chains of least times, and the
//! critical path. No clock, no names, no I/O; a process and a fleet plan with the same code.

use std::time::Duration;

/// A directed graph over `0..nodes` that was checked to have no cycle.
#[derive(Debug, Clone)]
pub struct Dag {
    successors: Vec<Vec<usize>>,
    predecessors: Vec<Vec<usize>>,
    order: Vec<usize>,
}

/// The nodes of a cycle, in order; the last one leads back to the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycle(pub Vec<usize>);

impl Dag {
    /// Builds the graph from its `(before, after)` edges.
    ///
    /// # Errors
    ///
    /// The first cycle found.
    ///
    /// # Panics
    ///
    /// When an edge names a node that is not in `0..nodes`.
    pub fn new(
        nodes: usize,
        edges: impl IntoIterator<Item = (usize, usize)>,
    ) -> Result<Dag, Cycle> {
        let mut successors = vec![Vec::new(); nodes];
        let mut predecessors = vec![Vec::new(); nodes];
        for (before, after) in edges {
            assert!(before < nodes && after < nodes, "an edge names a node of the graph");
            successors[before].push(after);
            predecessors[after].push(before);
        }
        let order = topological_order(&successors, &predecessors);
        if order.len() < nodes {
            return Err(find_cycle(&predecessors, &order));
        }
        Ok(Dag { successors, predecessors, order })
    }

    /// The graph of nothing.
    pub fn empty() -> Dag {
        Dag { successors: Vec::new(), predecessors: Vec::new(), order: Vec::new() }
    }

    /// The nodes, each after all its predecessors.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    /// What must have ended before `node` may start.
    pub fn predecessors(&self, node: usize) -> &[usize] {
        &self.predecessors[node]
    }

    /// What may start once `node` has ended.
    pub fn successors(&self, node: usize) -> &[usize] {
        &self.successors[node]
    }

    /// For each node, whether it comes after `node`, directly or through others.
    pub fn all_after(&self, node: usize) -> Vec<bool> {
        let mut after = vec![false; self.successors.len()];
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            for &next in &self.successors[node] {
                if !std::mem::replace(&mut after[next], true) {
                    open.push(next);
                }
            }
        }
        after
    }

    /// For each node, the longest chain of weights strictly after it: what a deadline must leave.
    pub fn chain_after(&self, weight: &[Duration]) -> Vec<Duration> {
        let mut chain = vec![Duration::ZERO; self.successors.len()];
        for &node in self.order.iter().rev() {
            chain[node] = self.successors[node]
                .iter()
                .map(|&next| weight[next].saturating_add(chain[next]))
                .max()
                .unwrap_or_default();
        }
        chain
    }

    /// The heaviest path through the graph and its length: with these weights as run times,
    /// nothing that respects the edges ends sooner.
    pub fn critical_path(&self, weight: &[Duration]) -> (Duration, Vec<usize>) {
        let chain = self.chain_after(weight);
        let length = |node: usize| weight[node].saturating_add(chain[node]);
        let roots = self.order.iter().copied().filter(|&n| self.predecessors[n].is_empty());
        let Some(mut node) = roots.max_by_key(|&n| length(n)) else {
            return (Duration::ZERO, Vec::new());
        };
        let total = length(node);
        let mut path = vec![node];
        while let Some(&next) = self.successors[node].iter().max_by_key(|&&n| length(n)) {
            path.push(next);
            node = next;
        }
        (total, path)
    }
}

/// Kahn's algorithm; it stops short of the nodes that hang on a cycle.
fn topological_order(successors: &[Vec<usize>], predecessors: &[Vec<usize>]) -> Vec<usize> {
    let mut missing: Vec<usize> = predecessors.iter().map(Vec::len).collect();
    let mut order: Vec<usize> = (0..missing.len()).filter(|&node| missing[node] == 0).collect();
    let mut next = 0;
    while let Some(&node) = order.get(next) {
        next += 1;
        for &after in &successors[node] {
            missing[after] -= 1;
            if missing[after] == 0 {
                order.push(after);
            }
        }
    }
    order
}

/// Walks backwards from a node that could not be ordered until it meets its own track.
fn find_cycle(predecessors: &[Vec<usize>], ordered: &[usize]) -> Cycle {
    let mut stuck = vec![true; predecessors.len()];
    for &node in ordered {
        stuck[node] = false;
    }
    let is_stuck = |node: &usize| stuck[*node];
    let mut node = (0..stuck.len()).find(is_stuck).expect("a node was left unordered");
    let mut track = Vec::new();
    while !track.contains(&node) {
        track.push(node);
        node = *predecessors[node]
            .iter()
            .find(|&before| is_stuck(before))
            .expect("an unordered node has an unordered predecessor");
    }
    let start = track.iter().position(|&seen| seen == node).expect("the walk came back to it");
    let mut cycle = track.split_off(start);
    cycle.reverse();
    Cycle(cycle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(values: &[u64]) -> Vec<Duration> {
        values.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn order_respects_every_edge() {
        let edges = [(2, 0), (0, 1), (3, 1), (2, 3)];
        let dag = Dag::new(4, edges).expect("no cycle");
        let place = |n| dag.order().iter().position(|&m| m == n);
        for (before, after) in edges {
            assert!(place(before) < place(after), "{before} before {after} in {:?}", dag.order());
        }
    }

    #[test]
    fn a_cycle_is_named_in_walking_order() {
        let Cycle(path) = Dag::new(5, [(0, 1), (1, 2), (2, 3), (3, 1), (3, 4)]).unwrap_err();
        assert_eq!(path.len(), 3);
        let edges = [(1, 2), (2, 3), (3, 1)];
        for pair in 0..3 {
            assert!(edges.contains(&(path[pair], path[(pair + 1) % 3])), "{path:?}");
        }
        assert_eq!(Dag::new(1, [(0, 0)]).unwrap_err(), Cycle(vec![0]));
    }

    #[test]
    fn chains_leave_room_for_the_longest_line_of_successors() {
        let dag = Dag::new(4, [(0, 1), (1, 2), (0, 3)]).expect("no cycle");
        let weight = ms(&[1, 10, 100, 50]);
        assert_eq!(dag.chain_after(&weight), ms(&[110, 100, 0, 0]));
        assert_eq!(dag.critical_path(&weight), (Duration::from_millis(111), vec![0, 1, 2]));
        assert_eq!(dag.all_after(1), [false, false, true, false]);
        assert_eq!(dag.all_after(0), [false, true, true, true]);
    }

    #[test]
    fn an_empty_graph_has_no_critical_path() {
        let dag = Dag::new(0, []).expect("no cycle");
        assert_eq!(dag.critical_path(&[]), (Duration::ZERO, vec![]));
    }

    #[test]
    fn neighbours_are_told_in_both_directions() {
        let dag = Dag::new(4, [(0, 2), (1, 2), (2, 3)]).expect("no cycle");
        assert_eq!((dag.predecessors(2), dag.successors(2)), (&[0, 1][..], &[3][..]));
        assert_eq!((dag.predecessors(0), dag.successors(3)), (&[][..], &[][..]));
        assert_eq!(dag.order().len(), 4);
    }

    #[test]
    fn an_edge_to_a_node_that_is_not_there_is_a_bug() {
        for edge in [(0, 2), (2, 0)] {
            let result = std::panic::catch_unwind(|| Dag::new(2, [edge]));
            assert!(result.is_err(), "{edge:?}");
        }
    }

    #[test]
    fn a_cycle_is_found_from_behind_it_and_past_what_leads_to_it() {
        // 0 hangs behind the cycle, 3 leads into it and could be ordered.
        let Cycle(path) = Dag::new(4, [(3, 1), (1, 2), (2, 1), (2, 0)]).unwrap_err();
        assert!(path == [1, 2] || path == [2, 1], "{path:?}");
    }

    #[test]
    fn the_critical_path_starts_at_the_heaviest_root() {
        let dag = Dag::new(5, [(0, 1), (2, 3), (2, 4)]).expect("no cycle");
        let weight = ms(&[5, 5, 1, 3, 30]);
        assert_eq!(dag.critical_path(&weight), (Duration::from_millis(31), vec![2, 4]));
        assert_eq!(dag.all_after(2), [false, false, false, true, true]);
    }
}
