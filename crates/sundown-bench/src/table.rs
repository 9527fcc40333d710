//! The table for people: Markdown whose columns stand in line, so that it reads in a terminal too.

use crate::Row;

const HEAD: [&str; 7] = ["what", "ours", "peer", "peer's", "ratio", "target", "note"];
/// Numbers stand to the right.
const RIGHT: [bool; 7] = [false, true, false, true, true, false, false];

/// Renders the rows.
pub(crate) fn of(rows: &[Row]) -> String {
    let cells: Vec<[String; 7]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let width = |column: usize| {
        cells.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut text = String::new();
    for (index, row) in cells.iter().enumerate() {
        text += &line(row, &widths);
        if index == 0 {
            text += &rule(&widths);
        }
    }
    text
}

fn cells(row: &Row) -> [String; 7] {
    let target = match row.target {
        None => "–".to_owned(),
        Some(target) if row.meets => format!("{target} ✓"),
        Some(target) => format!("{target} **missed**"),
    };
    [
        row.name.clone(),
        format!("{} {}", short(row.ours), row.unit),
        row.peer.clone(),
        format!("{} {}", short(row.peer_value), row.unit),
        short(row.ratio),
        target,
        row.note.clone(),
    ]
}

fn line(cells: &[String; 7], widths: &[usize]) -> String {
    let mut text = String::new();
    for ((cell, &width), right) in cells.iter().zip(widths).zip(RIGHT) {
        text += &if right { format!("| {cell:>width$} ") } else { format!("| {cell:<width$} ") };
    }
    text + "|\n"
}

fn rule(widths: &[usize]) -> String {
    let column = |(&width, right): (&usize, bool)| {
        let dashes = "-".repeat(width + 1);
        if right { format!("|{dashes}:") } else { format!("|{dashes}-") }
    };
    widths.iter().zip(RIGHT).map(column).collect::<String>() + "|\n"
}

/// Three digits where there is a fraction, and no fraction above a hundred.
fn short(number: f64) -> String {
    let decimals = match number {
        n if n >= 100.0 => 0,
        n if n >= 10.0 => 1,
        n if n >= 1.0 => 2,
        _ => 3,
    };
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    #[test]
    fn columns_stand_in_line_and_a_miss_stands_out() {
        let rows = [
            Row::new("poll", "ns", 0.41, "AtomicBool", 0.4).target(Target::AtMost(2.0)),
            Row::new("spawn", "ns", 300.0, "tokio", 200.0).target(Target::AtMost(1.25)).note("min"),
            Row::new("wake", "ns", 12.34, "tokio", 2.0),
        ];
        assert_eq!(
            of(&rows),
            "\
| what  |     ours | peer       |   peer's | ratio | target            | note |
|-------|---------:|------------|---------:|------:|-------------------|------|
| poll  | 0.410 ns | AtomicBool | 0.400 ns |  1.02 | ≤ 2 ✓             |      |
| spawn |   300 ns | tokio      |   200 ns |  1.50 | ≤ 1.25 **missed** | min  |
| wake  |  12.3 ns | tokio      |  2.00 ns |  6.17 | –                 |      |
"
        );
    }
}
