//! What pages of other sites may not do with a browser of somebody who can reach the service: call it by a
//! name of their own (DNS rebinding), or write to it.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, ORIGIN, UPGRADE};
use actix_web::http::uri::Authority;
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;

use super::problem::problem;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The names a listener goes by.
#[derive(Debug, Clone)]
pub(super) struct Site {
    names: Arc<[String]>,
    /// On loopback nobody has another name for it than those.
    is_loopback: bool,
}

impl Site {
    pub(super) fn new(address: SocketAddr, names: &[String]) -> Self {
        Site { names: names.into(), is_loopback: address.ip().is_loopback() }
    }

    /// Passes a request on, or answers 403.
    pub(super) async fn check<B: MessageBody>(
        self,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
        let of_http2 = request.uri().authority().map(Authority::as_str);
        let host = of_http2.or_else(|| text(request.headers(), &HOST)).map(str::to_owned);
        let refusal = if !self.knows(host.as_deref()) {
            let detail = "this name is not one of the service's (see `web.hosts`)";
            Some(("foreign_host", detail))
        } else if writes(request.method(), request.headers())
            && self.is_cross_site(request.headers(), host.as_deref())
        {
            let detail = "pages of other sites may not do this (see `web.hosts`)";
            Some(("cross_site", detail))
        } else {
            None
        };
        let Some((code, detail)) = refusal else {
            return Ok(next.call(request).await?.map_into_left_body());
        };
        let answer = problem(StatusCode::FORBIDDEN, code, detail);
        Ok(request.into_response(answer).map_into_right_body())
    }

    /// Whether a client may call it so. Browsers always say how they call it; others need not.
    fn knows(&self, host: Option<&str>) -> bool {
        !self.is_loopback || host.is_none_or(|host| self.is_own(host))
    }

    fn is_own(&self, host: &str) -> bool {
        let (whole, name) = (host.to_ascii_lowercase(), name_of(host).to_ascii_lowercase());
        let address = name.trim_matches(['[', ']']).parse::<IpAddr>();
        let is_loopback = address.is_ok_and(|address| match address {
            IpAddr::V4(address) => address.is_loopback(),
            IpAddr::V6(address) => address == Ipv6Addr::LOCALHOST,
        });
        name == "localhost"
            || is_loopback
            || self.names.iter().any(|it| *it == name || *it == whole)
    }

    /// Whether a browser says that the request comes of a page of another site.
    fn is_cross_site(&self, headers: &HeaderMap, host: Option<&str>) -> bool {
        let origin = text(headers, &ORIGIN).map(|origin| {
            origin.split_once("://").map_or(origin, |(_scheme, authority)| authority)
        });
        let is_known = origin.is_some_and(|origin| {
            self.names.iter().any(|it| it.eq_ignore_ascii_case(name_of(origin)))
        });
        if is_known {
            return false;
        }
        match text(headers, &SEC_FETCH_SITE) {
            Some(site) => !matches!(site, "same-origin" | "none"),
            None => origin
                .is_some_and(|origin| !host.is_some_and(|host| host.eq_ignore_ascii_case(origin))),
        }
    }
}

/// A request that changes something, or opens a socket over which that can be done.
fn writes(method: &Method, headers: &HeaderMap) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method) || headers.contains_key(UPGRADE)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// A host without its port.
fn name_of(host: &str) -> &str {
    if host.starts_with('[') {
        return host.find(']').map_or(host, |end| &host[..=end]);
    }
    host.rsplit_once(':').map_or(host, |(name, _port)| name)
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn site(address: &str) -> Site {
        Site::new(address.parse().unwrap(), &["tasks.example.com".to_owned()])
    }

    #[test]
    fn on_loopback_only_its_own_names_are_known() {
        let inside = site("127.0.0.1:8080");
        let own = ["localhost", "LOCALHOST:8080", "127.0.0.1", "127.9.9.9:80", "[::1]:8080"];
        for host in own.into_iter().chain(["tasks.example.com", "Tasks.Example.com:8080"]) {
            assert!(inside.knows(Some(host)), "{host}");
        }
        for host in
            ["evil.example", "localhost.evil.example", "10.0.0.1", "", "[::2]", "1.2.3.4:80"]
        {
            assert!(!inside.knows(Some(host)), "{host}");
        }
        assert!(inside.knows(None));
        assert!(site("0.0.0.0:8080").knows(Some("evil.example")));
    }

    fn is_cross_site(headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        site("127.0.0.1:8080").is_cross_site(&map, Some("localhost:8080"))
    }

    #[test]
    fn a_browser_says_where_a_request_comes_from() {
        for fine in ["http://localhost:8080", "https://tasks.example.com"] {
            assert!(!is_cross_site(&[("origin", fine)]), "{fine}");
        }
        for foreign in ["null", "https://evil.example", "http://localhost:9999"] {
            assert!(is_cross_site(&[("origin", foreign)]), "{foreign}");
        }
        assert!(is_cross_site(&[("sec-fetch-site", "cross-site")]));
        assert!(is_cross_site(&[("sec-fetch-site", "same-site")]));
        assert!(!is_cross_site(&[("sec-fetch-site", "same-origin")]));
        assert!(!is_cross_site(&[]), "no browser");
    }
}
