//! The text that is rendered: the recorder's, with what it cannot express, in a stable order.

use crate::names::{CPU_HELP, CPU_SECONDS};

/// Puts the families in the order of their names and adds the CPU time, if it is known.
///
/// The recorder writes families in the order of a hash map, each ended by an empty line. A stable
/// order costs little and makes two scrapes comparable by eye and by `diff`.
pub(crate) fn arrange(rendered: &str, cpu_seconds: Option<f64>) -> String {
    let cpu = cpu_seconds.map(|seconds| {
        format!(
            "# HELP {CPU_SECONDS} {CPU_HELP}\n# TYPE {CPU_SECONDS} counter\n\
             {CPU_SECONDS} {seconds}\n"
        )
    });
    let mut families: Vec<&str> =
        rendered.split("\n\n").map(|family| family.trim_matches('\n')).collect();
    families.extend(cpu.as_deref().map(|family| family.trim_end_matches('\n')));
    families.retain(|family| !family.is_empty());
    families.sort_by_key(|family| name(family));

    let mut text = String::with_capacity(rendered.len() + 256);
    for line in families.into_iter().flat_map(str::lines) {
        let (series, value) = infinite(line).unwrap_or((line, ""));
        text.push_str(series);
        text.push_str(value);
        text.push('\n');
    }
    text
}

/// A sample without its value, and infinity as the format spells it; the recorder writes `inf`.
fn infinite(line: &str) -> Option<(&str, &'static str)> {
    if line.starts_with('#') {
        return None;
    }
    let negative = line.strip_suffix(" -inf").map(|series| (series, " -Inf"));
    negative.or_else(|| line.strip_suffix(" inf").map(|series| (series, " +Inf")))
}

/// The name in the first line, `# HELP name …` or `# TYPE name …`.
fn name(family: &str) -> &str {
    family.split_whitespace().nth(2).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_stand_in_the_order_of_their_names_with_the_cpu_time_among_them() {
        let rendered = "# TYPE z gauge\nz 1\n\n# HELP b text\n# TYPE b counter\nb 2\n\n";
        let text = arrange(rendered, Some(1.25));
        let expected = format!(
            "# HELP b text\n# TYPE b counter\nb 2\n# HELP {CPU_SECONDS} {CPU_HELP}\n\
             # TYPE {CPU_SECONDS} counter\n{CPU_SECONDS} 1.25\n# TYPE z gauge\nz 1\n"
        );
        assert_eq!(text, expected);
        assert_eq!(arrange("", None), "");
    }

    #[test]
    fn infinity_is_spelt_as_prometheus_does() {
        let rendered = "# HELP a to inf\n# TYPE a gauge\na{b=\"c inf\"} inf\na -inf\na NaN\n";
        let expected = "# HELP a to inf\n# TYPE a gauge\na{b=\"c inf\"} +Inf\na -Inf\na NaN\n";
        assert_eq!(arrange(rendered, None), expected);
    }
}
