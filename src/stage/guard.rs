//! The way to the network that stages go. It leads to no address that the operator has not allowed,
//! however it is spelled: as a number, as a name whose answer may change, or as a redirection.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};

use opendal::{Buffer, HttpBody, HttpRedirect, HttpTransport, HttpTransporter};
use opendal_http_transport_reqwest::ReqwestTransport;
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect;
use url::{Host, Url};

use crate::error::{Error, Result};
use crate::stage::reach::{self, Reach};

/// As many as browsers follow.
const REDIRECTIONS: usize = 10;

/// The settings that allow what is refused.
pub(super) const ENDPOINTS: &str = "external.allowed_endpoints";
pub(super) const PRIVATE: &str = "external.allow_private_endpoints";

/// Where stages may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rules {
    /// Whether addresses of private networks and of this host's own services are allowed.
    pub(super) private: bool,
    /// Endpoints that the operator has named, whatever their addresses.
    pub(super) endpoints: Vec<Url>,
}

/// Why something is not asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// Scheme and host, or the host alone.
    pub(super) address: String,
    /// What would allow it.
    pub(super) setting: &'static str,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is refused: see {}", self.address, self.setting)
    }
}

impl std::error::Error for Refused {}

impl Rules {
    /// Which setting would allow an address so far away; `None` if it is allowed.
    pub(super) fn forbids(&self, reach: Reach) -> Option<&'static str> {
        match reach {
            Reach::Public => None,
            Reach::Private if self.private => None,
            Reach::Private => Some(PRIVATE),
            Reach::Host => Some(ENDPOINTS),
        }
    }

    /// Whether the operator has named this endpoint, or one below whose name its buckets are.
    pub(super) fn names(&self, url: &Url) -> bool {
        self.endpoints.iter().any(|named| {
            named.scheme() == url.scheme()
                && named.port_or_known_default() == url.port_or_known_default()
                && is_below(url.host_str(), named.host_str())
        })
    }

    /// The addresses of these that may be connected to.
    pub(super) fn allowed(
        &self,
        host: &str,
        addresses: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Refused> {
        let (mut allowed, mut setting) = (Vec::new(), None);
        for address in addresses {
            match self.forbids(reach::of_ip(address.ip())) {
                None => allowed.push(address),
                found => setting = found,
            }
        }
        match setting {
            Some(setting) if allowed.is_empty() => {
                Err(Refused { address: host.to_owned(), setting })
            }
            Some(_) | None => Ok(allowed),
        }
    }

    /// Whether this may be asked, as far as its text says. What a name leads to is seen later.
    fn check(&self, url: &Url) -> Result<(), Refused> {
        if self.names(url) {
            return Ok(());
        }
        let refused = |setting| {
            let address = url.host_str().unwrap_or_default().to_owned();
            Err(Refused { address: format!("{}://{address}", url.scheme()), setting })
        };
        // The addresses of a name that the operator has named are not looked at, so no other port
        // of it may be asked.
        if self.names_host(url.host_str()) {
            return refused(ENDPOINTS);
        }
        let reach = url.host().and_then(|host| reach::of_host(&host));
        match reach.and_then(|reach| self.forbids(reach)) {
            Some(setting) => refused(setting),
            None => Ok(()),
        }
    }

    fn names_host(&self, host: Option<&str>) -> bool {
        self.endpoints.iter().any(|named| is_below(host, named.host_str()))
    }
}

/// Whether a host is another, or a name below it.
fn is_below(host: Option<&str>, other: Option<&str>) -> bool {
    let (Some(host), Some(other)) = (host, other) else { return false };
    let host = host.trim_end_matches('.');
    host.strip_suffix(other.trim_end_matches('.'))
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// The addresses of names, without those that are not allowed. The very addresses that are connected
/// to: an answer that changes is looked at again.
struct Names {
    rules: Arc<Rules>,
    /// The operator's proxies, to which the server connects in the place of all others.
    proxies: BTreeSet<String>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().trim_end_matches('.').to_ascii_lowercase();
        let trusted = self.proxies.contains(&host) || self.rules.names_host(Some(&host));
        let rules = Arc::clone(&self.rules);
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let found = match trusted {
                true => found.collect(),
                false => rules.allowed(&host, found)?,
            };
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The hosts of the proxies that the server's environment names.
fn proxies() -> BTreeSet<String> {
    ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .filter_map(|text| match text.contains("://") {
            true => Url::parse(&text).ok(),
            false => Url::parse(&format!("http://{text}")).ok(),
        })
        .filter_map(|url| match url.host() {
            Some(Host::Domain(name)) => Some(name.to_ascii_lowercase()),
            Some(Host::Ipv4(_) | Host::Ipv6(_)) | None => None,
        })
        .collect()
}

/// A way to the network with rules.
#[derive(Clone)]
pub(super) struct Guard {
    rules: Arc<Rules>,
    transport: ReqwestTransport,
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Guard {
    /// The way with these rules. There is one in a process, with one pool of connections.
    pub(super) fn of(rules: &Rules) -> Result<Guard> {
        static KNOWN: LazyLock<Mutex<Vec<Guard>>> = LazyLock::new(Mutex::default);
        let mut known = KNOWN.lock();
        if let Some(guard) = known.iter().find(|guard| *guard.rules == *rules) {
            return Ok(guard.clone());
        }
        let guard = Guard::new(rules.clone())?;
        known.push(guard.clone());
        Ok(guard)
    }

    fn new(rules: Rules) -> Result<Guard> {
        let rules = Arc::new(rules);
        let names = Names { rules: Arc::clone(&rules), proxies: proxies() };
        let follows = Arc::clone(&rules);
        let follow = redirect::Policy::custom(move |attempt| match follows.check(attempt.url()) {
            Ok(()) => redirect::Policy::limited(REDIRECTIONS).redirect(attempt),
            Err(refused) => attempt.error(refused),
        });
        let client = reqwest::Client::builder().dns_resolver(names).redirect(follow).build();
        let client = client.map_err(|error| Error::Internal { what: error.to_string() })?;
        Ok(Guard { rules, transport: ReqwestTransport::new(client) })
    }

    /// What operators that go this way are given.
    pub(super) fn transporter(&self) -> HttpTransporter {
        HttpTransporter::new(self.clone())
    }

    fn check(&self, request: &http::Request<Buffer>) -> Result<(), opendal::Error> {
        let redirected = request.extensions().get::<HttpRedirect>();
        let redirected = redirected.map(|redirect| redirect.uri().original_uri().to_owned());
        for target in redirected.into_iter().chain([request.uri().to_string()]) {
            // What is no URL is refused by the next, with a better text.
            if let Ok(url) = Url::parse(&target) {
                self.rules.check(&url).map_err(denied)?;
            }
        }
        Ok(())
    }
}

impl HttpTransport for Guard {
    async fn fetch(
        &self,
        request: http::Request<Buffer>,
    ) -> Result<http::Response<HttpBody>, opendal::Error> {
        self.check(&request)?;
        let answer = self.transport.fetch(request).await;
        // No other try will be allowed.
        answer.map_err(|error| refused(&error).cloned().map_or(error, denied))
    }
}

fn denied(refused: Refused) -> opendal::Error {
    opendal::Error::new(opendal::ErrorKind::PermissionDenied, refused.to_string())
        .set_source(refused)
}

/// Whether a failure comes from here.
pub(super) fn refused(error: &opendal::Error) -> Option<&Refused> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(refused) = error.downcast_ref() {
            return Some(refused);
        }
        cause = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that gives everybody one answer; its port, and how often it was asked.
    async fn serve(answer: String) -> (u16, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        (port, asked)
    }

    async fn fetch(rules: &Rules, url: &str) -> Result<u16, opendal::Error> {
        let request = http::Request::get(url).body(Buffer::new()).expect("a request");
        let guard = Guard::of(rules).expect("a client");
        guard.fetch(request).await.map(|answer| answer.status().as_u16())
    }

    const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

    fn named(url: &str) -> Rules {
        Rules { private: false, endpoints: vec![Url::parse(url).expect("a URL")] }
    }

    /// As if the name had led elsewhere when it was looked up before.
    #[tokio::test]
    async fn no_connection_is_made_to_what_is_refused() {
        let (port, asked) = serve(OK.to_owned()).await;
        for host in ["127.0.0.1", "localhost", "LOCALHOST.", "2130706433", "[::ffff:127.0.0.1]"] {
            let url = format!("http://{host}:{port}/");
            let error = fetch(&Rules::default(), &url).await.expect_err(host);
            assert_eq!(refused(&error).map(|refused| refused.setting), Some(PRIVATE), "{error:?}");
            assert!(!error.is_temporary(), "{error:?}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        let private = Rules { private: true, ..Rules::default() };
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("http://{host}:{port}/");
            assert_eq!(fetch(&private, &url).await.expect(host), 200);
            assert_eq!(fetch(&named(&url), &url).await.expect(host), 200);
            // Another port of what is named is not.
            let error = fetch(&named(&url), &format!("http://{host}:1/")).await.expect_err(host);
            assert_eq!(refused(&error).map(|refused| refused.setting), Some(ENDPOINTS));
        }
    }

    #[tokio::test]
    async fn redirections_lead_nowhere_else() {
        let (other, asked) = serve(OK.to_owned()).await;
        for (target, setting) in [
            ("http://169.254.169.254/latest/meta-data/".to_owned(), ENDPOINTS),
            ("http://metadata.google.internal/".to_owned(), ENDPOINTS),
            ("http://10.0.0.1/".to_owned(), PRIVATE),
            ("http://[::1]/".to_owned(), PRIVATE),
            (format!("http://localhost:{other}/"), PRIVATE),
            (format!("http://127.0.0.1:{other}/"), ENDPOINTS),
        ] {
            let moved = format!(
                "HTTP/1.1 307 Moved\r\nLocation: {target}\r\nContent-Length: 0\r\n\
                 Connection: close\r\n\r\n"
            );
            let (port, first) = serve(moved).await;
            let url = format!("http://127.0.0.1:{port}/");
            let error = fetch(&named(&url), &url).await.expect_err(&target);
            assert_eq!(refused(&error).map(|refused| refused.setting), Some(setting), "{error:?}");
            assert!(!error.is_temporary());
            assert_eq!(first.load(Ordering::SeqCst), 1);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 0);
        // Even where private addresses are allowed, the metadata service is not.
        let moved = "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n";
        let (port, _) = serve(moved.to_owned()).await;
        let private = Rules { private: true, ..Rules::default() };
        let error = fetch(&private, &format!("http://127.0.0.1:{port}/")).await.expect_err("moved");
        assert_eq!(refused(&error).map(|refused| refused.setting), Some(ENDPOINTS));
    }

    #[test]
    fn buckets_may_be_names_below_an_endpoint() {
        let rules = named("https://minio.example:9000");
        for (url, names) in [
            ("https://minio.example:9000/bucket", true),
            ("https://bucket.minio.example:9000/", true),
            ("https://evilminio.example:9000/", false),
            ("http://minio.example:9000/", false),
            ("https://minio.example/", false),
        ] {
            assert_eq!(rules.names(&Url::parse(url).expect(url)), names, "{url}");
        }
    }
}
