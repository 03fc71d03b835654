//! What the operator of this server allows external stages: where they may point, and whether they may
//! go there in the server's own name.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

use url::{Host, Url};

use crate::config;
use crate::error::{Error, Result};
use crate::stage::definition::External;
use crate::stage::open::{self, Identity, Opened, fs_path, resolve, settings};
use crate::stage::place::{self, Scheme};

/// Where Amazon's metadata service is by IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The name that the metadata service has in Google's networks.
const METADATA_NAMES: &[&str] = &["metadata.google.internal", "metadata"];

/// What the operator of this server allows external stages.
#[derive(Debug)]
pub(super) struct Policy {
    fs_dirs: Vec<PathBuf>,
    data_dir: PathBuf,
    ambient: Vec<String>,
    /// Empty: all.
    urls: Vec<String>,
    /// Empty: all but the host's own metadata service.
    endpoints: Vec<String>,
}

impl Policy {
    /// Reads the configuration once; directories that don't exist are told in the log.
    pub(super) fn of(external: &config::External, data_dir: &Path) -> Policy {
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
        let endpoint = |text: &String| normal(text).unwrap_or_else(|| text.clone());
        Policy {
            fs_dirs: external.fs_dirs.iter().filter_map(canonical).collect(),
            data_dir: data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned()),
            ambient: external.ambient_credentials.iter().map(prefix).collect(),
            urls: external.allowed_urls.iter().map(prefix).collect(),
            endpoints: external.allowed_endpoints.iter().map(endpoint).collect(),
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
            self.check_address(address)?;
        }
        settings(external, self.identity(external)).map(drop)
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

    /// A stage must not become a way to what only this host can reach.
    fn check_address(&self, address: &str) -> Result<()> {
        let refused = || refused(address, "external.allowed_endpoints");
        let normal = normal(address).ok_or_else(refused)?;
        if self.endpoints.contains(&normal) {
            return Ok(());
        }
        if self.endpoints.is_empty() && !is_of_the_host(&normal) {
            return Ok(());
        }
        Err(refused())
    }

    /// Opens a stage's place.
    pub(super) async fn open(&self, external: &External, label: &str) -> Result<Opened> {
        self.check(external)?;
        open::open(external, self.identity(external), label).await
    }
}

fn refused(url: &str, setting: &'static str) -> Error {
    // A user's name and password may be in it.
    Error::UrlNotAllowed { url: place::without_credentials(url), setting }
}

/// What the server would connect to, as far as the user of the stage says it.
fn address(external: &External) -> Option<&str> {
    let endpoint = place::option_text(external, "endpoint");
    match place::scheme(external) {
        Scheme::Http | Scheme::Webhdfs | Scheme::Webdav => Some(external.url.as_str()),
        Scheme::S3
        | Scheme::Gcs
        | Scheme::Azblob
        | Scheme::Oss
        | Scheme::Cos
        | Scheme::Obs
        | Scheme::Fs
        | Scheme::Memory => endpoint,
    }
}

/// Scheme, host and port as everybody writes them: `http://2852039166/x` is `http://169.254.169.254`.
fn normal(address: &str) -> Option<String> {
    let address = match address.split_once("://") {
        // Only of these the rules for hosts are known.
        Some(("https", _)) => address.to_owned(),
        Some((_, rest)) => format!("http://{rest}"),
        None => format!("https://{address}"),
    };
    let url = Url::parse(&address).ok()?;
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{}://{}{port}", url.scheme(), url.host_str()?.trim_end_matches('.')))
}

/// Link-local addresses, where clouds keep their metadata service with its credentials.
fn is_of_the_host(normal: &str) -> bool {
    let link_local = |ip: Ipv4Addr| ip.is_link_local();
    match Url::parse(normal).ok().as_ref().and_then(Url::host) {
        Some(Host::Ipv4(ip)) => link_local(ip),
        Some(Host::Ipv6(ip)) => {
            ip.is_unicast_link_local() || ip == METADATA_V6 || ip.to_ipv4().is_some_and(link_local)
        }
        Some(Host::Domain(name)) => METADATA_NAMES.contains(&name),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let normal = normal(address).expect(address);
            assert!(is_of_the_host(&normal), "{address}: {normal}");
        }
        for address in
            ["http://127.0.0.1:9000", "https://s3.amazonaws.com", "http://10.0.0.1", "minio"]
        {
            assert!(!is_of_the_host(&normal(address).expect(address)), "{address}");
        }
    }

    #[test]
    fn a_list_of_endpoints_is_complete() {
        let external = config::External {
            allowed_endpoints: vec![
                "https://store.example".to_owned(),
                "http://169.254.1.1".to_owned(),
            ],
            ..config::External::default()
        };
        let policy = Policy::of(&external, Path::new("/nonexistent"));
        for (address, allowed) in [
            ("https://store.example/", true),
            ("https://STORE.example:443", true),
            ("http://store.example", false),
            ("https://store.example:8443", false),
            ("https://store.example.evil", false),
            ("http://169.254.1.1", true),
            ("http://169.254.1.2", false),
        ] {
            assert_eq!(policy.check_address(address).is_ok(), allowed, "{address}");
        }
    }
}
