//! Statements of one connection, each prepared once.

use std::cell::RefCell;
use std::collections::HashMap;

use rusqlite::{Connection, Params, Result, Row, Statement};

/// The statements of a connection. SQL is static, so a statement is found by where its text lies.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    prepared: RefCell<HashMap<*const u8, Statement<'c>>>,
}

impl<'c> Statements<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Statements { connection, prepared: RefCell::default() }
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// Rolls back what is open. Some faults do so by themselves, and then nothing is.
    pub(super) fn roll_back_if_open(&self) -> Result<()> {
        if self.connection.is_autocommit() {
            return Ok(());
        }
        self.execute("ROLLBACK", []).map(drop)
    }

    /// Runs it, and answers how many rows it changed.
    pub(super) fn execute(&self, sql: &'static str, values: impl Params) -> Result<usize> {
        self.with(sql, |statement| statement.execute(values))
    }

    /// Its first row, if it has one.
    pub(super) fn row<T>(
        &self,
        sql: &'static str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<Option<T>> {
        self.with(sql, |statement| statement.query(values)?.next()?.map(read).transpose())
    }

    /// All its rows.
    pub(super) fn rows<T>(
        &self,
        sql: &'static str,
        values: impl Params,
        read: impl FnMut(&Row<'_>) -> Result<T>,
    ) -> Result<Vec<T>> {
        self.with(sql, |statement| statement.query_map(values, read)?.collect())
    }

    /// A statement is out of the map while it runs, so that another may run meanwhile.
    fn with<T>(
        &self,
        sql: &'static str,
        run: impl FnOnce(&mut Statement<'c>) -> Result<T>,
    ) -> Result<T> {
        let known = self.prepared.borrow_mut().remove(&sql.as_ptr());
        let mut statement = match known {
            Some(statement) => statement,
            None => self.connection.prepare(sql)?,
        };
        let outcome = run(&mut statement);
        self.prepared.borrow_mut().insert(sql.as_ptr(), statement);
        outcome
    }
}
