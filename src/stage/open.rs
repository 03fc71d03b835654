//! From a place to an operator.
//!
//! What OpenDAL is told is worked out in [`settings`], which touches nothing, so that tests can
//! look at it. Its rule: a stage that names no credentials gets none. OpenDAL would otherwise look
//! for some in the server's environment, its configuration files and the cloud's metadata service,
//! and lend the server's identity to whoever may write CREATE STAGE.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use opendal::{Operator, services};
use parking_lot::Mutex;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::stage::calls::Calls;
use crate::stage::copy::Home;
use crate::stage::definition::External;
use crate::stage::fault;
use crate::stage::guard::Guard;
use crate::stage::name::UPLOAD_DIR;
use crate::stage::place::{self, Scheme};

/// How long the search for a bucket's region may hold up a statement.
const REGION_TIMEOUT: Duration = Duration::from_secs(5);

const DEFAULT_S3_ENDPOINT: &str = "https://s3.amazonaws.com";
const DEFAULT_S3_REGION: &str = "us-east-1";

/// Whose credentials a place may be opened with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Identity {
    /// The ones it names, or none.
    Own,
    /// The server's, when it names none.
    Server,
}

/// An operator, with what has to be known about it.
#[derive(Debug, Clone)]
pub(super) struct Opened {
    /// The way to the files.
    pub(super) operator: Operator,
    /// What all paths begin with, below the operator's root: empty or ending in `/`.
    pub(super) base: String,
    /// The root, if it is a directory of this machine.
    pub(super) local: Option<PathBuf>,
    /// A directory that the server may not write to.
    pub(super) read_only: bool,
    /// Whether 32 hexadecimal digits as an ETag are the MD5 of an object in one part. Not where the
    /// storage encrypts with keys of its own (KMS) or of the user's; where that is its default, it
    /// is found out by the first file that is written.
    pub(super) etag_is_md5: Arc<AtomicBool>,
    /// Where the storage can copy files by itself: what it has to be told.
    pub(super) home: Option<Arc<Home>>,
}

impl Opened {
    /// An operator with nothing special about it.
    pub(super) fn plain(operator: Operator) -> Opened {
        let alike = matches!(
            operator.info().scheme(),
            services::S3_SCHEME
                | services::OSS_SCHEME
                | services::COS_SCHEME
                | services::OBS_SCHEME
        );
        Opened {
            operator,
            base: String::new(),
            local: None,
            read_only: false,
            etag_is_md5: Arc::new(AtomicBool::new(alike)),
            home: None,
        }
    }
}

/// Once before any operator is used: OpenDAL has no way to the network until it is told of one.
pub(super) fn prepare() {
    opendal::install_default();
}

/// Opens a place. For the operator's own places, which are behind no guard; stages go through
/// `Policy::open`.
pub(super) async fn open(
    external: &External,
    identity: Identity,
    label: &str,
    guard: Option<&Guard>,
    calls: &Calls,
) -> Result<Opened> {
    let mut settings = settings(external, identity)?;
    let failed = |error: opendal::Error| fault::storage("open", label, "", &error);
    let scheme = place::scheme(external);
    let build = |settings: BTreeMap<String, String>| {
        let operator = from_settings(scheme, settings.clone()).map_err(failed)?;
        let operator = calls.lead(operator, guard, label);
        let home = Home::of(scheme, settings, guard, calls, label).map(Arc::new);
        Ok::<_, Error>(Opened { home, ..Opened::plain(operator) })
    };
    match scheme {
        Scheme::Memory => {
            let (name, path) = place::host_and_path(&external.url);
            Ok(Opened { base: path.to_owned(), ..Opened::plain(memory(name)) })
        }
        Scheme::Fs => {
            let root = fs_path(external);
            open_dir(&root, &root.join(UPLOAD_DIR), label, calls).await
        }
        Scheme::S3 => {
            if !settings.contains_key("region") {
                let bucket = settings.get("bucket").cloned().unwrap_or_default();
                settings.insert("region".to_owned(), region_of(&bucket).await);
            }
            let encrypted = has_encrypted_etags(&settings);
            let opened = build(settings)?;
            if encrypted {
                opened.etag_is_md5.store(false, Ordering::Relaxed);
            }
            Ok(opened)
        }
        Scheme::Gcs
        | Scheme::Azblob
        | Scheme::Oss
        | Scheme::Cos
        | Scheme::Obs
        | Scheme::Webhdfs
        | Scheme::Webdav
        | Scheme::Http => build(settings),
    }
}

/// Opens a directory of this machine. `uploads` is where unfinished files grow; it has to be on
/// the same file system, because they are renamed into place. One is written to all the time; those that nobody
/// has touched for long were left by a server that was killed, and are removed.
///
/// There is no retry here. OpenDAL takes every unknown error of a file system for temporary, and
/// its writer would append a block again of which a part was written.
pub(super) async fn open_dir(
    root: &Path,
    uploads: &Path,
    label: &str,
    calls: &Calls,
) -> Result<Opened> {
    let failed = |error: opendal::Error| fault::storage("open", label, "", &error);
    let text = |path: &Path| path.to_str().map(str::to_owned).ok_or_else(|| not_utf8(path));
    let (root_text, uploads_text) = (text(root)?, text(uploads)?);
    let (root, uploads, calls) = (root.to_owned(), uploads.to_owned(), calls.clone());
    let built = tokio::task::spawn_blocking(move || {
        // A directory that can only be read is a stage as well.
        let read_only = std::fs::create_dir_all(&uploads).is_err() && root.is_dir();
        let mut builder = services::Fs::default().root(&root_text);
        if !read_only {
            builder = builder.atomic_write_dir(&uploads_text);
            remove_abandoned(&uploads, &calls);
        }
        let operator = Operator::new(builder)?;
        let root = root.canonicalize().map_err(|error| {
            opendal::Error::new(opendal::ErrorKind::Unexpected, "canonicalize").set_source(error)
        })?;
        Ok(Opened { local: Some(root), read_only, ..Opened::plain(operator) })
    });
    let built = built.await.map_err(|error| Error::Internal { what: error.to_string() })?;
    built.map_err(failed)
}

fn not_utf8(path: &Path) -> Error {
    Error::Startup {
        what: format!("The path {} is not UTF-8", path.display()),
        hint: "use another directory".to_owned(),
    }
}

fn remove_abandoned(uploads: &Path, calls: &Calls) {
    let mut now = None;
    for entry in std::fs::read_dir(uploads).into_iter().flatten().flatten() {
        // OpenDAL gives an unfinished file the name of the whole one and an ending.
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.rsplit_once('.').is_some_and(|(name, _)| calls.alive().has(name)) {
            continue;
        }
        let touched = entry.metadata().and_then(|data| data.modified());
        let now = *now.get_or_insert_with(|| now_in(uploads).unwrap_or(SystemTime::UNIX_EPOCH));
        let age = touched.ok().and_then(|touched| now.duration_since(touched).ok());
        if age.is_some_and(|age| age > calls.abandoned_after()) {
            // Whoever removed it first, it is gone.
            let _gone = std::fs::remove_file(entry.path());
        }
    }
}

/// What time it is by the clock that the times of files are of: a file server has one of its own.
fn now_in(dir: &Path) -> std::io::Result<SystemTime> {
    let path = dir.join(format!("now.{}", Uuid::new_v4()));
    let now = std::fs::File::create_new(&path)?.metadata().and_then(|data| data.modified());
    std::fs::remove_file(&path)?;
    now
}

fn has_encrypted_etags(settings: &BTreeMap<String, String>) -> bool {
    settings.contains_key("server_side_encryption_customer_algorithm")
        || settings.get("server_side_encryption").is_some_and(|kind| kind != "AES256")
}

static STORES: LazyLock<Mutex<HashMap<String, Operator>>> = LazyLock::new(Mutex::default);

/// Gives free what is kept in stores whose name begins so.
#[cfg(any(test, fuzzing))]
pub(crate) fn forget_memory(prefix: &str) {
    STORES.lock().retain(|name, _| !name.starts_with(prefix));
}

/// One store a name, for as long as the process lives.
fn memory(name: &str) -> Operator {
    let mut stores = STORES.lock();
    if let Some(operator) = stores.get(name) {
        return operator.clone();
    }
    let operator = new_memory();
    stores.insert(name.to_owned(), operator.clone());
    operator
}

#[expect(clippy::expect_used, reason = "building a map in memory has no way to fail")]
fn new_memory() -> Operator {
    Operator::new(services::Memory::default()).expect("memory needs no settings")
}

/// Asks the bucket for its region. OpenDAL answers for the plain endpoint without asking, so the
/// port is written out.
async fn region_of(bucket: &str) -> String {
    let asked = services::S3::detect_region("https://s3.amazonaws.com:443", bucket);
    match tokio::time::timeout(REGION_TIMEOUT, asked).await {
        Ok(Some(region)) => region,
        _ => DEFAULT_S3_REGION.to_owned(),
    }
}

pub(super) fn from_settings(
    scheme: Scheme,
    settings: BTreeMap<String, String>,
) -> Result<Operator, opendal::Error> {
    match scheme {
        Scheme::S3 => Operator::from_iter::<services::S3>(settings),
        Scheme::Gcs => Operator::from_iter::<services::Gcs>(settings),
        Scheme::Azblob => Operator::from_iter::<services::Azblob>(settings),
        Scheme::Oss => Operator::from_iter::<services::Oss>(settings),
        Scheme::Cos => Operator::from_iter::<services::Cos>(settings),
        Scheme::Obs => Operator::from_iter::<services::Obs>(settings),
        Scheme::Webhdfs => Operator::from_iter::<services::Webhdfs>(settings),
        Scheme::Webdav => Operator::from_iter::<services::Webdav>(settings),
        Scheme::Http => Operator::from_iter::<services::Http>(settings),
        Scheme::Fs => Operator::from_iter::<services::Fs>(settings),
        Scheme::Memory => Operator::from_iter::<services::Memory>(settings),
    }
}

/// What OpenDAL is told about a place. Everything that it would otherwise take from the server's
/// surroundings is either set here or turned off here.
pub(super) fn settings(
    external: &External,
    identity: Identity,
) -> Result<BTreeMap<String, String>> {
    if external.connection.is_some() {
        return Err(Error::Internal {
            what: "a place without what its connection says".to_owned(),
        });
    }
    let mut set = BTreeMap::new();
    let mut put = |name: &str, value: &str| set.insert(name.to_owned(), value.to_owned());
    let option = |name: &str| place::option_text(external, name);
    let anonymous = !place::has_credentials(external);
    let own = identity == Identity::Own;
    let (host, path) = place::host_and_path(&external.url);
    let copied: &[&str] = match place::scheme(external) {
        Scheme::S3 => {
            put("bucket", host);
            put("root", path);
            put("endpoint", option("endpoint").unwrap_or(DEFAULT_S3_ENDPOINT));
            match (option("region"), option("endpoint")) {
                (Some(region), _) => put("region", region),
                (None, Some(_)) => put("region", DEFAULT_S3_REGION),
                (None, None) => None,
            };
            if own {
                put("disable_config_load", "true");
                put("disable_ec2_metadata", "true");
                if option("role_arn").is_some() && option("access_key_id").is_none() {
                    return Err(needs_ambient(external));
                }
                if anonymous {
                    put("skip_signature", "true");
                }
            }
            encryption(external, &mut put);
            &[
                "access_key_id",
                "secret_access_key",
                "session_token",
                "enable_virtual_host_style",
                "role_arn",
                "external_id",
            ]
        }
        Scheme::Gcs => {
            put("bucket", host);
            put("root", path);
            if let Some(credential) = option("credential").and_then(place::gcs_credential) {
                put("credential", &credential);
            }
            if own {
                put("disable_config_load", "true");
                put("disable_vm_metadata", "true");
                if anonymous {
                    put("skip_signature", "true");
                }
            }
            &["endpoint", "token"]
        }
        Scheme::Azblob => {
            match place::azure_parts(&external.url) {
                Some((_, container, path)) => {
                    put("container", container);
                    put("root", path);
                }
                None => {
                    put("container", host);
                    put("root", path);
                }
            }
            if let Some(endpoint) = place::azure_endpoint(external) {
                put("endpoint", &endpoint);
            }
            if let Some(account) = place::azure_account(external) {
                put("account_name", &account);
            }
            // There is no switch for the environment alone; a key or token is asked first, and
            // without one nothing is signed.
            if own && anonymous {
                put("skip_signature", "true");
            }
            &["account_key", "sas_token"]
        }
        Scheme::Oss => {
            put("bucket", host);
            put("root", path);
            if own {
                // The role's request would go where the server's environment says.
                if option("role_arn").is_some() {
                    return Err(needs_ambient(external));
                }
                if anonymous {
                    put("skip_signature", "true");
                }
            }
            &[
                "endpoint",
                "access_key_id",
                "access_key_secret",
                "security_token",
                "role_arn",
                "external_id",
            ]
        }
        Scheme::Cos => {
            put("bucket", host);
            put("root", path);
            if own {
                put("disable_config_load", "true");
                if anonymous {
                    return Err(no_anonymous("cos", "SECRET_ID and SECRET_KEY"));
                }
            }
            &["endpoint", "secret_id", "secret_key", "security_token"]
        }
        Scheme::Obs => {
            put("bucket", host);
            put("root", path);
            if own && anonymous {
                return Err(no_anonymous("obs", "ACCESS_KEY_ID and SECRET_ACCESS_KEY"));
            }
            &["endpoint", "access_key_id", "secret_access_key"]
        }
        Scheme::Webhdfs => {
            put("root", path);
            // Whole or not at all: blocks are put together here and renamed.
            put("atomic_write_dir", &format!("{UPLOAD_DIR}/"));
            if let Some(endpoint) = place::endpoint(external) {
                put("endpoint", &endpoint);
            }
            &["user_name", "delegation", "disable_list_batch"]
        }
        Scheme::Webdav | Scheme::Http => {
            put("root", path);
            if let Some(endpoint) = place::endpoint(external) {
                put("endpoint", &endpoint);
            }
            &["username", "password", "token"]
        }
        Scheme::Fs | Scheme::Memory => &[],
    };
    for name in copied {
        if let Some(value) = option(name) {
            put(name, value);
        }
    }
    Ok(set)
}

fn encryption(external: &External, mut put: impl FnMut(&str, &str) -> Option<String>) {
    let option = |name: &str| place::option_text(external, name);
    if let Some(key) = option("master_key").and_then(place::master_key) {
        put("server_side_encryption_customer_algorithm", "AES256");
        put("server_side_encryption_customer_key", &BASE64.encode(key));
        put("server_side_encryption_customer_key_md5", &BASE64.encode(Md5::digest(key)));
    } else if option("kms_key_id").is_some() || option("encryption_type") == Some(place::SSE_KMS) {
        put("server_side_encryption", "aws:kms");
        if let Some(id) = option("kms_key_id") {
            put("server_side_encryption_aws_kms_key_id", id);
        }
    } else if option("encryption_type") == Some(place::SSE_S3) {
        put("server_side_encryption", "AES256");
    }
}

fn needs_ambient(external: &External) -> Error {
    Error::UrlNotAllowed { url: external.url.clone(), setting: "external.ambient_credentials" }
}

fn no_anonymous(scheme: &str, keys: &str) -> Error {
    Error::Unsupported {
        what: format!("A {scheme} stage without credentials"),
        hint: Some(format!("give {keys} in CONNECTION=(...)")),
    }
}

pub(super) fn fs_path(external: &External) -> PathBuf {
    Path::new("/").join(place::host_and_path(&external.url).1)
}

/// The directory with its links resolved. What doesn't exist yet has no links in it.
pub(super) fn resolve(path: &Path) -> Option<PathBuf> {
    let mut existing = path.to_owned();
    let mut missing = Vec::new();
    loop {
        match existing.canonicalize() {
            Ok(mut resolved) => {
                resolved.extend(missing.iter().rev());
                return Some(resolved);
            }
            // A link to nowhere would be followed when its target appears.
            Err(_) if existing.symlink_metadata().is_ok() => return None,
            // None of a path that ends in `..`.
            Err(_) => {
                missing.push(existing.file_name()?.to_owned());
                existing.pop();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::stage::policy::Policy;

    fn stage(url: &str, options: &[(&str, &str)]) -> External {
        let options: Vec<_> =
            options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        place::external(url, &options).expect(url)
    }

    #[test]
    fn a_stage_without_credentials_gets_none_of_the_servers() {
        let end = [("ENDPOINT", "h.example.com")];
        for (url, options, off) in [
            (
                "s3://b/",
                &[][..],
                &["skip_signature", "disable_config_load", "disable_ec2_metadata"][..],
            ),
            ("gcs://b/", &[], &["skip_signature", "disable_config_load", "disable_vm_metadata"]),
            ("azblob://c/", &end, &["skip_signature"]),
            ("azure://a.blob.core.windows.net/c/", &[], &["skip_signature"]),
            ("oss://b/", &end, &["skip_signature"]),
        ] {
            let set = settings(&stage(url, options), Identity::Own).expect(url);
            for switch in off {
                assert_eq!(set.get(*switch).map(String::as_str), Some("true"), "{url} {switch}");
            }
            let ambient = settings(&stage(url, options), Identity::Server).expect(url);
            assert!(!ambient.contains_key("skip_signature"), "{url}");
        }
        for url in ["cos://b/", "obs://b/"] {
            let error = settings(&stage(url, &end), Identity::Own).expect_err(url);
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
        }
    }

    #[test]
    fn endpoint_and_region_never_come_from_the_environment() {
        // OpenDAL reads AWS_ENDPOINT_URL and AWS_REGION only where these are missing.
        let set = settings(&stage("s3://b/p/", &[]), Identity::Own).expect("valid");
        assert_eq!(set["endpoint"], DEFAULT_S3_ENDPOINT);
        let set =
            settings(&stage("s3://b/p/", &[("ENDPOINT", "h")]), Identity::Own).expect("valid");
        assert_eq!((set["region"].as_str(), set["root"].as_str()), ("us-east-1", "p/"));
    }

    #[test]
    fn a_role_of_the_servers_has_to_be_allowed() {
        let role = stage("s3://b/", &[("AWS_ROLE", "arn:aws:iam::1:role/r")]);
        assert!(matches!(
            settings(&role, Identity::Own).expect_err("not allowed"),
            Error::UrlNotAllowed { setting: "external.ambient_credentials", .. }
        ));
        assert!(settings(&role, Identity::Server).is_ok());
    }

    #[test]
    fn the_servers_credentials_go_to_allowed_urls_only() {
        let external = config::External {
            ambient_credentials: vec!["s3://lake".to_owned()],
            ..config::External::default()
        };
        let policy = Policy::of(&external, Path::new("/nowhere"), true);
        for (url, options, identity) in [
            ("s3://lake/x/", &[][..], Identity::Server),
            ("s3://lake-of-others/", &[], Identity::Own),
            ("s3://lake/", &[("ENDPOINT", "mine.example.com")], Identity::Own),
            ("gcs://lake/", &[], Identity::Own),
        ] {
            assert_eq!(policy.identity(&stage(url, options)), identity, "{url}");
        }
    }

    #[test]
    fn google_credentials_that_name_files_are_refused() {
        let json = r#"{"type":"external_account","credential_source":{"file":"/etc/passwd"}}"#;
        let options = [("CREDENTIAL".to_owned(), BASE64.encode(json))];
        assert!(place::external("gcs://b/", &options).is_err());
    }

    #[test]
    fn every_setting_is_one_that_opendal_knows() {
        let keys = [("ACCESS_KEY_ID", "k"), ("ENDPOINT", "h.example.com")];
        let with = |more: &[(&'static str, &'static str)]| [&keys, more].concat();
        let sse = BASE64.encode([1; 32]);
        for place in [
            stage("s3://b/p/", &with(&[("SECRET_ACCESS_KEY", "s"), ("TYPE", "AWS_SSE_S3")])),
            stage("s3://b/p/", &[("MASTER_KEY", sse.as_str()), ("ENDPOINT", "h")]),
            stage("gcs://b/p/", &[]),
            stage("azure://a.blob.core.windows.net/c/p/", &[("SAS_TOKEN", "t")]),
            stage("oss://b/p/", &with(&[("ACCESS_KEY_SECRET", "s")])),
            stage("cos://b/p/", &[("SECRET_ID", "k"), ("SECRET_KEY", "s"), ("ENDPOINT", "h.x")]),
            stage("obs://b/p/", &with(&[("SECRET_ACCESS_KEY", "s")])),
            stage("webhdfs://h:9870/p/", &[("HTTPS", "false"), ("USER_NAME", "u")]),
            stage("webdav://h/p/", &[("USER", "u"), ("PASSWORD", "p")]),
            stage("http://h/p/", &[]),
        ] {
            let set = settings(&place, Identity::Own).expect("valid");
            from_settings(place::scheme(&place), set).expect(&place.url);
        }
    }

    #[test]
    fn directories_are_allowed_by_where_they_really_are() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let root = dir.path().canonicalize().expect("exists");
        for sub in ["allowed/in", "outside", "allowed/server"] {
            std::fs::create_dir_all(root.join(sub)).expect("made");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(root.join("outside"), root.join("allowed/link")).expect("link");
        let external =
            config::External { fs_dirs: vec![root.join("allowed")], ..config::External::default() };
        let policy = Policy::of(&external, &root.join("allowed/server"), true);
        let check =
            |sub: &str| policy.check(&stage(&format!("fs://{}/{sub}/", root.display()), &[]));
        assert!(check("allowed/in").is_ok());
        assert!(check("allowed/new/deeper").is_ok());
        for sub in ["outside", "allowed/link", "allowed/link/x", "allowed/server/x", "allowed"] {
            assert!(matches!(check(sub), Err(Error::UrlNotAllowed { .. })), "{sub}");
        }
        let nothing = Policy::of(&config::External::default(), &root.join("allowed/server"), true);
        assert!(nothing.check(&stage("fs:///", &[])).is_err());
    }

    #[tokio::test]
    async fn memory_is_one_store_a_name() {
        let (a, b) = (stage("memory://one/", &[]), stage("memory://one/sub/", &[]));
        let calls = Calls::of(&config::Limits::default());
        let open = async |place, label| {
            open(place, Identity::Own, label, None, &calls).await.expect("opened")
        };
        let first = open(&a, "a").await;
        first.operator.write("sub/x", "1").await.expect("written");
        let second = open(&b, "b").await;
        assert_eq!(second.base, "sub/");
        assert!(second.operator.exists("sub/x").await.expect("asked"));
        let other = open(&stage("memory://two/", &[]), "c").await;
        assert!(!other.operator.exists("sub/x").await.expect("asked"));
    }
}
