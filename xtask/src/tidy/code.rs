//! Rust source seen as code alone: comments, literals and tests blanked, lines kept.

/// Blanks comments and the insides of string and character literals; every line stays where it is.
pub(super) fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after_word = code.chars().next_back().is_some_and(is_word);
        let skipped = comment(rest).or_else(|| literal(rest, after_word));
        if let Some(length) = skipped {
            blank(&mut code, &rest[..length]);
            rest = &rest[length..];
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    code
}

/// Blanks the items under `#[cfg(test)]` in what [`code_only`] returned.
pub(super) fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) =
        ["#[cfg(test)]", "#[cfg(all(test"].iter().filter_map(|attribute| rest.find(attribute)).min()
    {
        kept.push_str(&rest[..start]);
        let length = item(&rest[start..]);
        blank(&mut kept, &rest[start..start + length]);
        rest = &rest[start + length..];
    }
    kept + rest
}

/// The numbers of the lines on which `word` stands as a word of its own.
pub(super) fn lines_with_word<'a>(
    text: &'a str,
    word: &'a str,
) -> impl Iterator<Item = usize> + 'a {
    let has_word = move |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            let before = line[..at].chars().next_back().is_some_and(is_word);
            let after = line[at + word.len()..].chars().next().is_some_and(is_word);
            !before && (!after || !word.ends_with(is_word))
        })
    };
    text.lines().zip(1..).filter(move |(line, _)| has_word(line)).map(|(_, number)| number)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn blank(code: &mut String, skipped: &str) {
    code.extend(skipped.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

/// The length of the comment that `text` begins with; block comments nest.
fn comment(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if !text.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return Some(at);
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    Some(text.len())
}

/// The length of the string or character literal that `text` begins with.
fn literal(text: &str, after_word: bool) -> Option<usize> {
    if text.starts_with('"') {
        return Some(quoted(text, '"'));
    }
    if let Some(inner) = text.strip_prefix('\'') {
        let mut inner = inner.chars();
        let first = inner.next()?;
        let is_literal = first == '\\' || inner.next() == Some('\'');
        return is_literal.then(|| quoted(text, '\''));
    }
    if after_word {
        return None;
    }
    let prefix = ["r", "br", "cr"].iter().find(|prefix| {
        text.strip_prefix(**prefix).is_some_and(|rest| rest.starts_with(['"', '#']))
    })?;
    let hashes = text[prefix.len()..].chars().take_while(|c| *c == '#').count();
    let start = prefix.len() + hashes;
    let inner = text[start..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(start + 1 + length)
}

/// The length of a literal from its opening quote to its closing one.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        }
    }
    text.len()
}

/// The length of the item that `code` begins with: to its `;` or its closing brace.
fn item(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let code = code_only(text);
        assert_eq!(code.lines().count(), text.lines().count(), "lines stay where they are");
        let squeezed: Vec<_> = code.split_whitespace().collect();
        assert_eq!(squeezed.join(" "), expected, "{text}");
    }

    #[test]
    fn comments_and_literals_are_blanked_and_code_is_kept() {
        check("a // b\nc", "a c");
        check("a /* b /* c */\n d */ e", "a e");
        check("f(\"x // \\\" y\", z)", "f( , z)");
        check("f(r\"\\\", g)", "f( , g)");
        check("f(r#\"a \" b\n\"#, br##\"\"# \"##)", "f( , )");
        check("let r#type = 'x'; let q = '\\''; h", "let r#type = ; let q = ; h");
        check("fn f<'a>(x: &'a str) {} // 'b'", "fn f<'a>(x: &'a str) {}");
        check("var\"x\"", "var");
        check("\"never closed", "");
    }

    #[test]
    fn tests_are_blanked_up_to_their_closing_brace() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() { if c {} }\n}\nfn d() {}";
        let kept = without_tests(code);
        assert_eq!(kept.split_whitespace().collect::<Vec<_>>().join(" "), "fn a() {} fn d() {}");
        assert_eq!(kept.lines().count(), code.lines().count());
        let kept = without_tests("#[cfg(test)]\nmod tests;\nfn e() {}");
        assert_eq!(kept.trim(), "fn e() {}");
    }

    #[test]
    fn a_word_is_found_only_as_a_word() {
        let text = "Coordinator\nNoopCoordinator\nx::Coordinator::new()\nCoordinators\n";
        assert_eq!(lines_with_word(text, "Coordinator").collect::<Vec<_>>(), [1, 3]);
    }
}
