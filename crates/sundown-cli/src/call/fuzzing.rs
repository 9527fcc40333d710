//! Addresses and redirects as the fuzz targets call them.

use ureq::Body;
use ureq::http::Response;

use super::{Target, redirect};

/// Whether a task may ask for `url` where `http.allow` is `prefix`.
///
/// # Errors
///
/// Why one of them is no address.
pub fn allows(prefix: &str, url: &str) -> Result<bool, String> {
    let allowed = Target::parse(prefix)?;
    Ok(allowed.holds(&Target::of(url)?))
}

/// Where a redirect from `url` to `location` leads.
pub fn redirected(url: &str, location: &str) -> Option<String> {
    let body = Body::builder().data("");
    let response = Response::builder().status(307).header("Location", location).body(body).ok()?;
    redirect::next(url, &response)
}
