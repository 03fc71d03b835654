//! What the operator of this server allows external stages: where they may point, and whether they may
//! go there in the server's own name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::{Host, Url};

use crate::config;
use crate::error::{Error, Result};
use crate::stage::calls::Calls;
use crate::stage::definition::External;
use crate::stage::guard::{ENDPOINTS, Guard, Rules};
use crate::stage::open::{self, Identity, Opened, fs_path, resolve, settings};
use crate::stage::place::{self, Scheme};
use crate::stage::reach;

/// How long the look-up of a name may hold up a statement.
const LOOK_UP_TIMEOUT: Duration = Duration::from_secs(5);

/// What the operator of this server allows external stages.
#[derive(Debug)]
pub(super) struct Policy {
    fs_dirs: Vec<PathBuf>,
    data_dir: PathBuf,
    ambient: Vec<String>,
    /// Empty: all.
    urls: Vec<String>,
    /// Empty endpoints: all that their addresses allow.
    rules: Rules,
    /// The operator has named all endpoints that there may be.
    only_named: bool,
}

impl Policy {
    /// Reads the configuration once; directories that don't exist are told in the log.
    /// `private`: whether private addresses are allowed.
    pub(super) fn of(external: &config::External, data_dir: &Path, private: bool) -> Policy {
        let canonical = |dir: &PathBuf| match dir.canonicalize() {
            Ok(dir) => Some(dir),
            Err(error) => {
                tracing::warn!("external.fs_dirs: {} is left out: {error}", dir.display());
                None
            }
        };
        // `s3://lake` must not allow `s3://lake-of-others/`, hence the trailing slash.
        let prefix = |url: &String| match place::external(url, &[]) {
            Ok(external) => external.url,
            Err(_) => format!("{}/", url.trim_end_matches('/')),
        };
        let endpoint = |text: &String| {
            let url = as_url(text);
            if url.is_none() {
                tracing::warn!("external.allowed_endpoints: '{text}' is left out: it is no URL");
            }
            url
        };
        Policy {
            fs_dirs: external.fs_dirs.iter().filter_map(canonical).collect(),
            data_dir: data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned()),
            ambient: external.ambient_credentials.iter().map(prefix).collect(),
            urls: external.allowed_urls.iter().map(prefix).collect(),
            rules: Rules {
                private,
                endpoints: external.allowed_endpoints.iter().filter_map(endpoint).collect(),
            },
            only_named: !external.allowed_endpoints.is_empty(),
        }
    }

    /// Whether a stage may be here at all.
    pub(super) fn check(&self, external: &External) -> Result<()> {
        let allowed = |prefix: &String| external.url.starts_with(prefix);
        if !self.urls.is_empty() && !self.urls.iter().any(allowed) {
            return Err(refused(&external.url, "external.allowed_urls"));
        }
        if place::scheme(external) == Scheme::Fs {
            self.check_dir(external)?;
        }
        if let Some(address) = address(external) {
            self.check_address(&address)?;
        }
        settings(external, self.identity(external)).map(drop)
    }

    /// Whether a connection may lead here: an early answer, for its stages are checked in any case.
    pub(super) fn check_endpoint(&self, endpoint: &str) -> Result<()> {
        self.check_address(endpoint)
    }

    pub(super) fn identity(&self, external: &External) -> Identity {
        let allowed = self.ambient.iter().any(|prefix| external.url.starts_with(prefix));
        // An endpoint of the user's own choice would be sent the server's tokens.
        if allowed && place::option_text(external, "endpoint").is_none() {
            Identity::Server
        } else {
            Identity::Own
        }
    }

    fn check_dir(&self, external: &External) -> Result<()> {
        let refused = || refused(&external.url, "external.fs_dirs");
        let dir = resolve(&fs_path(external)).ok_or_else(refused)?;
        let allowed = self.fs_dirs.iter().any(|allowed| dir.starts_with(allowed));
        // Neither inside the server's own directory nor around it.
        let ours = dir.starts_with(&self.data_dir) || self.data_dir.starts_with(&dir);
        if allowed && !ours { Ok(()) } else { Err(refused()) }
    }

    /// A stage must not become a way to what only this host, or only its network, can reach.
    fn check_address(&self, address: &str) -> Result<()> {
        let url = as_url(address).ok_or_else(|| refused(address, ENDPOINTS))?;
        if self.is_named(&url) {
            return Ok(());
        }
        if self.only_named {
            return Err(refused(address, ENDPOINTS));
        }
        let reach = url.host().and_then(|host| reach::of_host(&host));
        match reach.and_then(|reach| self.rules.forbids(reach)) {
            Some(setting) => Err(refused(address, setting)),
            None => Ok(()),
        }
    }

    /// Whether the operator has named this very endpoint.
    fn is_named(&self, url: &Url) -> bool {
        self.rules.endpoints.iter().any(|named| {
            (named.scheme(), named.host_str(), named.port_or_known_default())
                == (url.scheme(), url.host_str(), url.port_or_known_default())
        })
    }

    /// Whether the name that a stage gives leads to an address that it may not give. A name that
    /// leads nowhere may do so later; where it leads then, the guard sees.
    pub(super) async fn look_up(&self, external: &External) -> Result<()> {
        let Some(address) = address(external) else { return Ok(()) };
        let Some(url) = as_url(&address).filter(|url| !self.is_named(url)) else { return Ok(()) };
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let found = tokio::time::timeout(LOOK_UP_TIMEOUT, tokio::net::lookup_host((name, 0))).await;
        let Ok(Ok(found)) = found else { return Ok(()) };
        let allowed = self.rules.allowed(name, found);
        allowed.map(drop).map_err(|reason| refused(&address, reason.setting))
    }

    /// Opens a stage's place. The operator has vouched for those that go in the server's own name;
    /// its credentials may have to be asked from the host's metadata service.
    pub(super) async fn open(
        &self,
        external: &External,
        label: &str,
        calls: &Calls,
    ) -> Result<Opened> {
        self.check(external)?;
        let identity = self.identity(external);
        match identity {
            Identity::Server => open::open(external, identity, label, None, calls).await,
            Identity::Own => {
                self.look_up(external).await?;
                let guard = Guard::of(&self.rules)?;
                open::open(external, identity, label, Some(&guard), calls).await
            }
        }
    }
}

fn refused(url: &str, setting: &'static str) -> Error {
    // A user's name and password may be in it.
    Error::UrlNotAllowed { url: place::without_credentials(url), setting }
}

/// What the server would connect to, as far as the user of the stage says it.
fn address(external: &External) -> Option<String> {
    match place::scheme(external) {
        Scheme::Http | Scheme::Webhdfs | Scheme::Webdav => Some(external.url.clone()),
        Scheme::Azblob => place::azure_endpoint(external),
        Scheme::S3
        | Scheme::Gcs
        | Scheme::Oss
        | Scheme::Cos
        | Scheme::Obs
        | Scheme::Fs
        | Scheme::Memory => place::option_text(external, "endpoint").map(str::to_owned),
    }
}

/// Scheme, host and port as everybody writes them: `http://2852039166/x` is `http://169.254.169.254`.
fn as_url(address: &str) -> Option<Url> {
    let address = match address.split_once("://") {
        // Only of these the rules for hosts are known.
        Some(("https", _)) => address.to_owned(),
        Some((_, rest)) => format!("http://{rest}"),
        None => format!("https://{address}"),
    };
    let url = Url::parse(&address).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = url.host_str()?.trim_end_matches('.');
    Url::parse(&format!("{}://{host}{port}", url.scheme())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stage::guard::PRIVATE;

    /// A policy that bounds nothing else.
    fn open(private: bool) -> Policy {
        Policy::of(&config::External::default(), Path::new("/nonexistent"), private)
    }

    #[test]
    fn every_spelling_of_the_metadata_service_is_seen() {
        for address in [
            "http://169.254.169.254",
            "http://169.254.169.254:80/latest/",
            "http://2852039166/",
            "http://0xA9FEA9FE",
            "http://0251.0376.0251.0376",
            "http://169.254.43518",
            "http://user:pw@169.254.169.254/",
            "https://[fe80::1]:9000",
            "http://[::ffff:169.254.169.254]",
            "http://[fd00:ec2::254]",
            "http://metadata.google.internal./",
            "http://METADATA.google.internal",
            "169.254.169.254",
            "webhdfs://169.254.169.254:50070/x/",
        ] {
            let error = open(true).check_address(address).expect_err(address);
            let Error::UrlNotAllowed { setting, .. } = error else { panic!("{error}") };
            assert_eq!(setting, ENDPOINTS, "{address}");
        }
        for address in ["https://s3.amazonaws.com", "http://1.1.1.1", "minio"] {
            assert!(open(false).check_address(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn private_addresses_are_refused_unless_they_are_allowed() {
        for address in [
            "http://127.0.0.1:9000",
            "http://2130706433",
            "http://0177.0.0.1",
            "http://127.1",
            "http://0",
            "http://10.0.0.1",
            "172.16.0.1:9000",
            "http://user:pw@192.168.0.1/x",
            "http://100.64.0.1",
            "http://[::1]:9000",
            "http://[::]",
            "http://[::ffff:10.0.0.1]",
            "http://[fc00::1]",
            "webhdfs://192.168.0.1:9870/x/",
        ] {
            let error = open(false).check_address(address).expect_err(address);
            let Error::UrlNotAllowed { setting, .. } = error else { panic!("{error}") };
            assert_eq!(setting, "external.allow_private_endpoints", "{address}");
            assert!(open(true).check_address(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn the_address_of_every_kind_of_stage_is_looked_at() {
        let endpoint = [("ENDPOINT_URL".to_owned(), "http://10.0.0.1".to_owned())];
        for (url, options) in [
            ("s3://b/", &endpoint[..]),
            ("gcs://b/", &endpoint),
            ("oss://b/", &endpoint),
            ("azblob://c/", &endpoint),
            ("azure://10.0.0.1/c/p/", &[]),
            ("webhdfs://10.0.0.1:9870/p/", &[]),
            ("webdav://10.0.0.1/p/", &[]),
            ("http://10.0.0.1/p/", &[]),
        ] {
            let Ok(external) = place::external(url, options) else { continue };
            let error = open(false).check(&external).expect_err(url);
            assert!(matches!(error, Error::UrlNotAllowed { .. }), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn names_that_lead_to_private_addresses_are_refused() {
        let stage = place::external("http://localhost:9/x/", &[]).expect("a place");
        let error = open(false).look_up(&stage).await.expect_err("loopback");
        let Error::UrlNotAllowed { setting, url } = error else { panic!("{error}") };
        assert_eq!((setting, url.as_str()), (PRIVATE, "http://localhost:9/x/"));
        assert!(open(true).look_up(&stage).await.is_ok());
        // What the operator has named is not looked up, and what leads nowhere may lead there later.
        let named = Policy {
            rules: Rules {
                endpoints: vec![Url::parse("http://localhost:9").expect("a URL")],
                ..Rules::default()
            },
            ..open(false)
        };
        assert!(named.look_up(&stage).await.is_ok());
        let nowhere = place::external("http://nowhere.invalid/x/", &[]).expect("a place");
        assert!(open(false).look_up(&nowhere).await.is_ok());
    }

    #[test]
    fn a_list_of_endpoints_is_complete() {
        let external = config::External {
            allowed_endpoints: vec![
                "https://store.example".to_owned(),
                "http://169.254.1.1".to_owned(),
                "http://10.0.0.1:9000".to_owned(),
            ],
            ..config::External::default()
        };
        let policy = Policy::of(&external, Path::new("/nonexistent"), false);
        for (address, allowed) in [
            ("https://store.example/", true),
            ("https://STORE.example:443", true),
            ("http://store.example", false),
            ("https://store.example:8443", false),
            ("https://store.example.evil", false),
            ("http://169.254.1.1", true),
            ("http://169.254.1.2", false),
            ("http://10.0.0.1:9000", true),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(policy.check_address(address).is_ok(), allowed, "{address}");
        }
    }
}
