//! How SQLite answers the questions that are asked often: by an index, whatever waits or is over.

use rusqlite::Connection;

use super::{
    claim, ending, intake, listing, owner, row, schema, serving, told, transaction, unwanted, wish,
};

/// The steps of the plan for this statement.
fn plan(connection: &Connection, sql: &str) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    // Unbound, they are all null; the plan is the same.
    let mut rows = statement.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get::<_, String>(3).unwrap());
    }
    steps.join("; ")
}

#[test]
fn every_question_has_its_index() {
    let connection = Connection::open_in_memory().unwrap();
    schema::migrate(&connection, 0).unwrap();
    let by_number = "task USING INTEGER PRIMARY KEY (rowid=?)";
    for (sql, expected) in [
        (claim::PROMOTE, "INDEX task_waiting (run_at<?)"),
        (claim::READY, "COVERING INDEX task_ready (kind=? AND route=?)"),
        (claim::LOOK, by_number),
        (claim::CLAIM, by_number),
        (claim::RENEW, by_number),
        (ending::SUCCEED, by_number),
        (ending::SETTLE, by_number),
        (ending::SETTLE_ENDED, by_number),
        (ending::OVERDUE, "INDEX task_running (owner=? AND lease_until<?)"),
        (owner::CLAIMS, "COVERING INDEX task_running (owner=?)"),
        (intake::KNOWN, "INDEX task_key (key=?)"),
        (row::HELD, by_number),
        (row::TASK, by_number),
        (told::NOTE, by_number),
        (told::NUMBER, by_number),
        (told::EVENTS, "event USING PRIMARY KEY (task=? AND seq>?)"),
        (told::FORGET, "event USING PRIMARY KEY (task=? AND seq<?)"),
        (wish::UNWANTED, by_number),
        (unwanted::UNWANTED, by_number),
        (wish::AGAIN, by_number),
        (wish::REMOVE, by_number),
        (wish::REMOVE_EVENTS, "event USING PRIMARY KEY (task=?)"),
        (wish::OLD, "INDEX task_ended (ended_at<?)"),
        (listing::OF_KIND, "COVERING INDEX task_listed (kind=? AND state=? AND rowid<?)"),
        (listing::OF_ALL, "task USING INTEGER PRIMARY KEY (rowid<?)"),
        (serving::NEXT, "COVERING INDEX task_ready ((kind,route)>(?,?))"),
        (serving::TASKS, "COVERING INDEX task_ready (kind=? AND route=?)"),
        (transaction::PENDING, "counter USING PRIMARY KEY (state=?)"),
    ] {
        let plan = plan(&connection, sql);
        assert!(plan.contains(expected), "{sql}\n{plan}\nand not {expected}");
        assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
    let kinds = plan(&connection, listing::KINDS);
    assert!(!kinds.contains("SCAN task"), "{kinds}");
}
