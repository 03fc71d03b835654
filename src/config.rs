//! The server's configuration: what `stagewire serve` was told by options, environment and file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How a password is kept, and so how it is proved. The names are MySQL's.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub enum Plugin {
    /// As a digest that every client can prove.
    #[default]
    #[serde(rename = "mysql_native_password")]
    Native,
    /// As a salted hash that is slow to guess at.
    #[serde(rename = "caching_sha2_password")]
    Sha2,
}

impl Plugin {
    /// All of them.
    pub const ALL: [Plugin; 2] = [Plugin::Native, Plugin::Sha2];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Plugin::Native => "mysql_native_password",
            Plugin::Sha2 => "caching_sha2_password",
        }
    }
}

/// Everything that the server needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where MySQL clients connect.
    pub mysql_addr: SocketAddr,
    /// Where HTTP clients connect.
    pub http_addr: SocketAddr,
    /// What the URLs begin with that clients are given; `None` means `http://` and the address.
    pub public_url: Option<String>,
    /// The server's own directory: lock, key, and by default catalog and files.
    pub data_dir: PathBuf,
    /// The password of `root`; empty means "from loopback only, without one".
    pub root_password: Secret,
    /// The method of users who are made without one, and of `root`; the greeting offers it.
    pub default_authentication_plugin: Plugin,
    /// How connections are encrypted.
    pub tls: TlsFiles,
    /// Whether connections that are not encrypted are refused.
    pub require_secure_transport: bool,
    /// Where the catalog is kept; `None` means below `data_dir`.
    pub catalog: Option<Place>,
    /// Where the files of internal stages are kept; `None` means below `data_dir`.
    pub storage: Option<Place>,
    /// How connections may be compressed.
    pub protocol_compression_algorithms: Vec<Algorithm>,
    /// What external stages may point at.
    pub external: External,
    /// The key that seals secrets in the catalog: 64 hexadecimal digits.
    pub secret_key: Option<Secret>,
    /// A file with that key; made when it is missing and neither is given.
    pub secret_key_file: Option<PathBuf>,
    /// Bounds on what one client can take.
    pub limits: Limits,
    /// How files travel.
    pub transfer: Transfer,
    /// Bounds on queries.
    pub query: Queries,
    /// Where spans are sent.
    pub otlp: Otlp,
}

/// Where spans are sent by OTLP over HTTP.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Otlp {
    /// The collector's URL. `None`: what the standard's variables say, else nowhere.
    pub endpoint: Option<String>,
    /// What every request to it has.
    pub headers: BTreeMap<String, Secret>,
}

/// How connections are encrypted: files with PEM texts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate, and those between it and its authority. One is made when it is
    /// missing.
    pub cert: Option<PathBuf>,
    /// The certificate's key.
    pub key: Option<PathBuf>,
    /// Authorities; clients then have to show a certificate of one of them.
    pub client_ca: Option<PathBuf>,
}

/// How a connection is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// As every client can that can any.
    Zlib,
    /// Faster, for newer clients.
    Zstd,
}

impl Algorithm {
    /// As MySQL names it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Zlib => "zlib",
            Algorithm::Zstd => "zstd",
        }
    }
}

/// How files travel.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Transfer {
    /// Level of `AUTO_COMPRESS = TRUE | GZIP`, 1 (fast) to 9.
    pub gzip_level: u32,
    /// Level of `AUTO_COMPRESS = ZSTD`, 1 (fast) to 19.
    pub zstd_level: i32,
    /// Whether the MD5 of files is computed on their way, which `LIST` shows. It is what bounds the speed of one file, for
    /// it can't be computed by two cores.
    pub md5: bool,
    /// Whether wildcards in `PUT` are expanded on the server's own file system, for clients on the
    /// same host. Names only: what is in a file always comes from the client.
    pub expand_wildcards: Expand,
}

/// When the server expands wildcards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expand {
    /// While the server listens on loopback alone.
    Auto,
    /// For every client on loopback.
    Always,
    /// Never.
    Never,
}

impl Default for Transfer {
    fn default() -> Transfer {
        Transfer { gzip_level: 1, zstd_level: 3, md5: true, expand_wildcards: Expand::Auto }
    }
}

/// A URL with the connection options that a stage's `CONNECTION=(...)` has.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// Such as `s3://bucket/prefix/`.
    pub url: String,
    /// Such as `endpoint_url`, `access_key_id`.
    #[serde(default)]
    pub options: BTreeMap<String, Secret>,
}

/// What external stages may point at.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct External {
    /// Directories below which `fs` stages may be. None by default.
    pub fs_dirs: Vec<PathBuf>,
    /// URL prefixes whose stages may use the server's own credentials (environment, instance
    /// role, configuration files) when they name none. None by default.
    pub ambient_credentials: Vec<String>,
    /// URL prefixes that stages may point at. Empty: all.
    pub allowed_urls: Vec<String>,
    /// Endpoints that stages may name: scheme, host and port, whatever their addresses. Empty: all
    /// but private addresses, unless those are allowed, and link-local ones, where clouds keep the
    /// credentials of a host.
    pub allowed_endpoints: Vec<String>,
    /// Whether stages may be in private networks and on this host. By default while the server
    /// listens on loopback alone.
    pub allow_private_endpoints: Option<bool>,
}

/// Bounds on what one client can take from the server.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// MySQL connections at a time. More are refused with error 1040, but for those of `root`.
    pub max_connections: usize,
    /// HTTP connections at a time. More are answered by 503.
    pub max_http_connections: usize,
    /// Bytes of one statement or command (`max_allowed_packet`).
    pub max_allowed_packet: usize,
    /// Seconds between the greeting and the end of the log-in; also for the head of an HTTP request, and until the
    /// next request.
    pub connect_timeout_s: u64,
    /// Seconds that a connection may be idle (`wait_timeout`).
    pub wait_timeout_s: u64,
    /// Seconds without a byte in the middle of a packet or an upload (`net_read_timeout`), or
    /// without room for one (`net_write_timeout`).
    pub net_timeout_s: u64,
    /// Statements and requests that bring files at a time; 0 for any number. Others wait their turn, for `net_timeout_s`,
    /// and are then refused with error 1205.
    pub max_uploads: usize,
    /// Bytes that all files on their way may hold in memory. Others wait, as above.
    pub max_upload_memory_bytes: u64,
    /// Milliseconds that a query, or a `LIST`, may take; 0 for any time. What `max_execution_time` is at first.
    pub max_execution_time_ms: u32,
    /// Seconds that running statements have at shutdown.
    pub shutdown_grace_s: u64,
    /// Connections at a time of one user who has no limit of his own; 0 for any number.
    pub max_user_connections: u64,
    /// Statements at a time of such a user.
    pub max_user_statements: u64,
    /// Bytes of such a user's `@~` and of the internal stages that he has made.
    pub max_user_stage_bytes: u64,
    /// Seconds for one call to a storage, or one part of a file on its way there: longer means that nobody
    /// answers any more.
    pub storage_timeout_s: u64,
    /// Tries of such a call after the first, where that may help.
    pub storage_retries: usize,
    /// Calls to storages over the network at a time, of the whole server; 0 for any number.
    pub max_storage_calls: usize,
    /// Hours without a byte after which an unfinished upload was left by a server that was killed, and is removed.
    /// Younger ones may be another server's.
    pub abandoned_uploads_hours: u64,
}

/// What one user can take; 0 for no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UserLimits {
    /// Connections at a time.
    pub connections: u64,
    /// Statements at a time.
    pub statements: u64,
    /// Bytes on internal stages.
    pub stage_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_connections: 512,
            max_http_connections: 512,
            // MySQL's own default.
            max_allowed_packet: 64 * 1024 * 1024,
            connect_timeout_s: 10,
            wait_timeout_s: 28_800,
            net_timeout_s: 60,
            max_uploads: 64,
            max_upload_memory_bytes: 1 << 30,
            max_execution_time_ms: 0,
            shutdown_grace_s: 20,
            max_user_connections: 0,
            max_user_statements: 0,
            max_user_stage_bytes: 0,
            storage_timeout_s: 60,
            storage_retries: 5,
            max_storage_calls: 0,
            abandoned_uploads_hours: 24,
        }
    }
}

impl Limits {
    /// Those of a user who has none of his own.
    pub fn of_users(&self) -> UserLimits {
        UserLimits {
            connections: self.max_user_connections,
            statements: self.max_user_statements,
            stage_bytes: self.max_user_stage_bytes,
        }
    }

    /// See [`Limits::abandoned_uploads_hours`].
    pub fn abandoned_after(&self) -> Duration {
        Duration::from_secs(self.abandoned_uploads_hours.saturating_mul(60 * 60))
    }

    /// See [`Limits::net_timeout_s`].
    pub fn net_timeout(&self) -> Duration {
        Duration::from_secs(self.net_timeout_s)
    }
}

/// Bounds on queries of what is in files.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Queries {
    /// Bytes that all queries together may hold. What needs more goes to the disk, or fails with error 1041.
    pub memory_bytes: usize,
    /// Bytes on the disk for that.
    pub spill_bytes: u64,
    /// Where. `None`: `spill` in the data directory.
    pub spill_dir: Option<PathBuf>,
    /// How long files of tables stay that don't count any more, for who still reads them and who has not yet
    /// committed them. 0 only where nothing else writes: files that are being written look the same.
    pub removed_files_hours: u32,
}

impl Default for Queries {
    fn default() -> Queries {
        let gib = 1 << 30;
        Queries {
            memory_bytes: 2 * gib,
            spill_bytes: 100 << 30,
            spill_dir: None,
            removed_files_hours: 24,
        }
    }
}

/// A text that is never printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// The clear text. The name is long so that every use is seen.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing to hide.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// The configuration file, as TOML. Every key is optional; unknown keys are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    mysql_addr: Option<SocketAddr>,
    http_addr: Option<SocketAddr>,
    public_url: Option<String>,
    data_dir: Option<PathBuf>,
    root_password: Option<Secret>,
    default_authentication_plugin: Plugin,
    tls: TlsFiles,
    require_secure_transport: bool,
    catalog: Option<Place>,
    storage: Option<Place>,
    protocol_compression_algorithms: Option<Vec<Algorithm>>,
    external: External,
    secret_key_file: Option<PathBuf>,
    limits: Limits,
    transfer: Transfer,
    query: Queries,
    otlp: Otlp,
}

/// What the command line and the environment said; each wins over the file.
#[derive(Debug, Default, Clone)]
pub struct Overrides {
    /// `--mysql-addr`, `STAGEWIRE_MYSQL_ADDR`
    pub mysql_addr: Option<SocketAddr>,
    /// `--http-addr`, `STAGEWIRE_HTTP_ADDR`
    pub http_addr: Option<SocketAddr>,
    /// `--data-dir`, `STAGEWIRE_DATA_DIR`
    pub data_dir: Option<PathBuf>,
    /// `STAGEWIRE_ROOT_PASSWORD`
    pub root_password: Option<Secret>,
    /// `STAGEWIRE_SECRET_KEY`
    pub secret_key: Option<Secret>,
    /// `--tls-cert`, `STAGEWIRE_TLS_CERT`
    pub tls_cert: Option<PathBuf>,
    /// `--tls-key`, `STAGEWIRE_TLS_KEY`
    pub tls_key: Option<PathBuf>,
    /// `--require-secure-transport`, `STAGEWIRE_REQUIRE_SECURE_TRANSPORT`
    pub require_secure_transport: Option<bool>,
    /// `--otlp-endpoint`, `STAGEWIRE_OTLP_ENDPOINT`
    pub otlp_endpoint: Option<String>,
}

impl Config {
    /// Reads the file, if one is named, and puts options and environment on top.
    pub fn load(file: Option<&Path>, overrides: Overrides) -> Result<Config> {
        let file = match file {
            Some(path) => File::read(path)?,
            None => File::default(),
        };
        let config = Config {
            mysql_addr: overrides
                .mysql_addr
                .or(file.mysql_addr)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 3307))),
            http_addr: overrides
                .http_addr
                .or(file.http_addr)
                .unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8000))),
            public_url: file.public_url,
            data_dir: overrides
                .data_dir
                .or(file.data_dir)
                .unwrap_or_else(|| PathBuf::from("stagewire-data")),
            root_password: overrides.root_password.or(file.root_password).unwrap_or_default(),
            default_authentication_plugin: file.default_authentication_plugin,
            tls: TlsFiles {
                cert: overrides.tls_cert.or(file.tls.cert),
                key: overrides.tls_key.or(file.tls.key),
                client_ca: file.tls.client_ca,
            },
            require_secure_transport: overrides
                .require_secure_transport
                .unwrap_or(file.require_secure_transport),
            catalog: file.catalog,
            storage: file.storage,
            protocol_compression_algorithms: file
                .protocol_compression_algorithms
                .unwrap_or_else(|| vec![Algorithm::Zlib, Algorithm::Zstd]),
            external: file.external,
            secret_key: overrides.secret_key,
            secret_key_file: file.secret_key_file,
            limits: file.limits,
            transfer: file.transfer,
            query: file.query,
            otlp: Otlp {
                endpoint: overrides.otlp_endpoint.or(file.otlp.endpoint),
                headers: file.otlp.headers,
            },
        };
        config.check()?;
        Ok(config)
    }

    /// Whether wildcards are expanded for a client at this address.
    pub fn expands_wildcards_for(&self, client: IpAddr) -> bool {
        let home = self.mysql_addr.ip().is_loopback();
        client.is_loopback()
            && match self.transfer.expand_wildcards {
                Expand::Auto => home,
                Expand::Always => true,
                Expand::Never => false,
            }
    }

    /// Whether stages may be in private networks and on this host.
    pub fn allows_private_endpoints(&self) -> bool {
        let home = self.mysql_addr.ip().is_loopback() && self.http_addr.ip().is_loopback();
        self.external.allow_private_endpoints.unwrap_or(home)
    }

    fn check(&self) -> Result<()> {
        for (name, found, most) in [
            ("gzip_level", i64::from(self.transfer.gzip_level), 9),
            ("zstd_level", i64::from(self.transfer.zstd_level), 19),
        ] {
            if !(1..=most).contains(&found) {
                return Err(Error::Startup {
                    what: format!("transfer.{name} is {found}"),
                    hint: format!("give a number from 1 to {most}"),
                });
            }
        }
        // No call is answered in no time.
        if self.limits.storage_timeout_s == 0 {
            return Err(Error::Startup {
                what: "limits.storage_timeout_s is 0".to_owned(),
                hint: "give a number of seconds, such as 60".to_owned(),
            });
        }
        self.check_tls()?;
        let is_web = |url: &String| url.starts_with("http://") || url.starts_with("https://");
        if let Some(url) = self.public_url.as_ref().filter(|url| !is_web(url)) {
            return Err(Error::Startup {
                what: format!("Can't understand public_url = '{url}'"),
                hint: "write it as in 'https://stagewire.example.com'".to_owned(),
            });
        }
        for (name, addr) in [("mysql_addr", self.mysql_addr), ("http_addr", self.http_addr)] {
            if !addr.ip().is_loopback() && self.root_password.is_empty() {
                return Err(Error::Startup {
                    what: format!(
                        "Refusing to listen on {addr} ({name}) while root has no password"
                    ),
                    hint: "set STAGEWIRE_ROOT_PASSWORD (or root_password in the configuration \
                           file), or listen on 127.0.0.1"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }
}

impl Config {
    fn check_tls(&self) -> Result<()> {
        if self.tls.cert.is_some() != self.tls.key.is_some() {
            return Err(Error::Startup {
                what: "Only one of the certificate and its key is given".to_owned(),
                hint: "give both --tls-cert and --tls-key, or none: then both are made".to_owned(),
            });
        }
        if self.tls.client_ca.is_some() && !self.require_secure_transport {
            return Err(Error::Startup {
                what: "tls.client_ca is of no use while connections need not be encrypted"
                    .to_owned(),
                hint: "set require_secure_transport = true".to_owned(),
            });
        }
        Ok(())
    }
}

impl File {
    fn read(path: &Path) -> Result<File> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::Startup {
            what: format!("Can't read the configuration file {}: {error}", path.display()),
            hint: "give --config the path of a TOML file".to_owned(),
        })?;
        toml::from_str(&text).map_err(|error| Error::Startup {
            // toml's message shows the line, which may hold a secret: keep the reason only.
            what: format!("Can't understand {}: {}", path.display(), error.message()),
            hint: "README.md lists every key of the configuration file".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_need_nothing() {
        let config = Config::load(None, Overrides::default()).expect("defaults are valid");
        assert_eq!(config.mysql_addr.to_string(), "127.0.0.1:3307");
        assert_eq!(config.http_addr.to_string(), "127.0.0.1:8000");
        assert_eq!(config.data_dir, Path::new("stagewire-data"));
    }

    #[test]
    fn an_open_port_needs_a_password() {
        let open = Overrides {
            mysql_addr: Some(SocketAddr::from(([0, 0, 0, 0], 3307))),
            ..Overrides::default()
        };
        let error = Config::load(None, open.clone()).expect_err("no password");
        assert!(error.to_string().contains("while root has no password"), "{error}");
        let closed = Overrides { root_password: Some(Secret::new("x")), ..open };
        assert!(Config::load(None, closed).is_ok());
    }

    #[test]
    fn a_file_is_read_and_its_secrets_are_not_shown() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let path = dir.path().join("c.toml");
        std::fs::write(
            &path,
            "root_password = 'hush'\n[catalog]\nurl = 's3://b/c/'\n[catalog.options]\n\
             secret_access_key = 'hush'\n[external]\nfs_dirs = ['/srv']\n",
        )
        .expect("write");
        let config = Config::load(Some(&path), Overrides::default()).expect("valid");
        assert_eq!(config.external.fs_dirs, [PathBuf::from("/srv")]);
        assert!(!format!("{config:?}").contains("hush"));
        std::fs::write(&path, "root_pasword = 'hush'").expect("write");
        let error = Config::load(Some(&path), Overrides::default()).expect_err("unknown key");
        assert!(error.to_string().contains("root_pasword"), "{error}");
        assert!(!error.to_string().contains("hush"), "{error}");
    }
}
