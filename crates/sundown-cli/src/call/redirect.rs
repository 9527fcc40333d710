//! Where an answer sends us.

use ureq::http::{Response, Uri};

/// The address, if it does.
pub(super) fn next(from: &str, response: &Response<ureq::Body>) -> Option<String> {
    if !matches!(response.status().as_u16(), 307 | 308) {
        return None;
    }
    resolve(from, response.headers().get("location")?.to_str().ok()?)
}

/// What a reference means where it stands (RFC 3986, section 5.2).
fn resolve(base: &str, reference: &str) -> Option<String> {
    let base: Uri = base.parse().ok()?;
    let (scheme, authority) = (base.scheme_str()?, base.authority()?);
    let reference = reference.split('#').next().unwrap_or_default();
    if has_scheme(reference) {
        return Some(reference.to_owned());
    }
    if reference.starts_with("//") {
        return Some(format!("{scheme}:{reference}"));
    }
    let (path, query) = match reference.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (reference, None),
    };
    let (directory, _) = base.path().rsplit_once('/').unwrap_or_default();
    let (path, query) = match path {
        "" => (base.path().to_owned(), query.or(base.query())),
        path if path.starts_with('/') => (without_dots(path), query),
        path => (without_dots(&format!("{directory}/{path}")), query),
    };
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("{scheme}://{authority}{path}{query}"))
}

fn has_scheme(reference: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    };
    reference.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
}

/// A path that begins with a slash, with `.` and `..` carried out.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    for segment in &segments {
        match *segment {
            "." => {}
            ".." => drop(kept.pop()),
            segment => kept.push(segment),
        }
    }
    // What ends with dots is a directory.
    if matches!(segments.last(), Some(&"." | &"..")) {
        kept.push("");
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_means_what_it_means_where_it_stands() {
        let base = "http://a:81/b/c/d;p?q";
        for (reference, expected) in [
            // As RFC 3986, section 5.4, has them.
            ("g:h", "g:h"),
            ("g", "http://a:81/b/c/g"),
            ("./g", "http://a:81/b/c/g"),
            ("g/", "http://a:81/b/c/g/"),
            ("/g", "http://a:81/g"),
            ("//g", "http://g"),
            ("?y", "http://a:81/b/c/d;p?y"),
            ("g?y", "http://a:81/b/c/g?y"),
            ("g#s", "http://a:81/b/c/g"),
            (";x", "http://a:81/b/c/;x"),
            ("", "http://a:81/b/c/d;p?q"),
            (".", "http://a:81/b/c/"),
            ("..", "http://a:81/b/"),
            ("../g", "http://a:81/b/g"),
            ("../../g", "http://a:81/g"),
            ("../../../g", "http://a:81/g"),
            ("/./g", "http://a:81/g"),
            ("/../g", "http://a:81/g"),
            ("g.", "http://a:81/b/c/g."),
            ("./../g", "http://a:81/b/g"),
            ("./g/.", "http://a:81/b/c/g/"),
            ("g/../h", "http://a:81/b/c/h"),
            ("g?y/../x", "http://a:81/b/c/g?y/../x"),
            ("https://x.com/y#z", "https://x.com/y"),
            ("a/b:c", "http://a:81/b/c/a/b:c"),
        ] {
            assert_eq!(resolve(base, reference).as_deref(), Some(expected), "{reference}");
        }
    }
}
