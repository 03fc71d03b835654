//! A URL and its connection options, as SQL gives them, into an [`External`] place.
//!
//! One table, `OPTIONS`, says which options exist, how else they are spelled, and which are
//! secret. Validation, masking, sealing and the help in error messages all come from it.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::config::Secret;
use crate::error::{Error, Result};
use crate::stage::connection::Connection;
use crate::stage::definition::{External, Via};
use crate::stage::name::StagePath;

/// The kinds of storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Fs,
    Memory,
    S3,
    Gcs,
    Azblob,
    Oss,
    Cos,
    Obs,
    Webhdfs,
    Webdav,
    Http,
}

use Scheme::{Azblob, Cos, Fs, Gcs, Http, Memory, Obs, Oss, S3, Webdav, Webhdfs};

/// Each spelling of a scheme, the one that is kept, and what it is.
const SCHEMES: &[(&str, &str, Scheme)] = &[
    ("s3", "s3", S3),
    ("gcs", "gcs", Gcs),
    ("gs", "gcs", Gcs),
    // Databend's form: azblob://container/path/ with ENDPOINT_URL.
    ("azblob", "azblob", Azblob),
    // Snowflake's form: azure://account.blob.core.windows.net/container/path/.
    ("azure", "azure", Azblob),
    ("oss", "oss", Oss),
    ("cos", "cos", Cos),
    ("obs", "obs", Obs),
    ("webhdfs", "webhdfs", Webhdfs),
    ("webdav", "webdav", Webdav),
    ("http", "http", Http),
    ("https", "https", Http),
    ("fs", "fs", Fs),
    ("memory", "memory", Memory),
];

/// What an option's value looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    /// A part of the name of hosts, and so nothing that would lead to others.
    Region,
    /// `http://` or `https://` and a host; the scheme may be missing.
    Endpoint,
    /// TRUE or FALSE.
    Flag,
    /// A text that is never shown, and sealed in the catalog.
    Secret,
    /// One of these.
    OneOf(&'static [&'static str]),
}

/// One option.
struct Key {
    /// The name that [`External::options`] has: OpenDAL's, where OpenDAL knows the option.
    name: &'static str,
    /// How SQL spells it; the first is the one that is shown.
    sql: &'static [&'static str],
    kind: Kind,
    schemes: &'static [Scheme],
}

const fn key(
    name: &'static str,
    sql: &'static [&'static str],
    kind: Kind,
    schemes: &'static [Scheme],
) -> Key {
    Key { name, sql, kind, schemes }
}

/// S3's `ENCRYPTION=(TYPE='...')`, in Snowflake's spelling.
pub(super) const SSE_S3: &str = "AWS_SSE_S3";
pub(super) const SSE_KMS: &str = "AWS_SSE_KMS";
/// With a key of the customer's. Snowflake's AWS_CSE encrypts on the client instead, and is not
/// the same thing.
pub(super) const SSE_C: &str = "AWS_SSE_C";
pub(super) const NO_ENCRYPTION: &str = "NONE";

/// Every option of every storage. Databend's and Snowflake's spellings both work.
const OPTIONS: &[Key] = &[
    key(
        "endpoint",
        &["ENDPOINT_URL", "ENDPOINT"],
        Kind::Endpoint,
        &[S3, Gcs, Azblob, Oss, Cos, Obs],
    ),
    key("region", &["REGION", "AWS_REGION"], Kind::Region, &[S3]),
    key(
        "access_key_id",
        &["ACCESS_KEY_ID", "AWS_KEY_ID", "AWS_ACCESS_KEY_ID"],
        Kind::Text,
        &[S3, Oss, Obs],
    ),
    key(
        "secret_access_key",
        &["SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECRET_ACCESS_KEY"],
        Kind::Secret,
        &[S3, Obs],
    ),
    key(
        "session_token",
        &["SESSION_TOKEN", "AWS_TOKEN", "SECURITY_TOKEN", "AWS_SESSION_TOKEN"],
        Kind::Secret,
        &[S3],
    ),
    key("enable_virtual_host_style", &["ENABLE_VIRTUAL_HOST_STYLE"], Kind::Flag, &[S3]),
    key("role_arn", &["ROLE_ARN", "AWS_ROLE_ARN", "AWS_ROLE"], Kind::Text, &[S3, Oss]),
    key("external_id", &["EXTERNAL_ID", "AWS_EXTERNAL_ID"], Kind::Text, &[S3, Oss]),
    key(
        "encryption_type",
        &["ENCRYPTION_TYPE", "TYPE"],
        Kind::OneOf(&[SSE_S3, SSE_KMS, SSE_C, NO_ENCRYPTION]),
        &[S3],
    ),
    key("kms_key_id", &["KMS_KEY_ID"], Kind::Text, &[S3]),
    key("master_key", &["MASTER_KEY"], Kind::Secret, &[S3]),
    key("access_key_secret", &["ACCESS_KEY_SECRET", "SECRET_ACCESS_KEY"], Kind::Secret, &[Oss]),
    key("security_token", &["SECURITY_TOKEN", "SESSION_TOKEN"], Kind::Secret, &[Oss, Cos]),
    key("secret_id", &["SECRET_ID"], Kind::Text, &[Cos]),
    key("secret_key", &["SECRET_KEY"], Kind::Secret, &[Cos]),
    key("credential", &["CREDENTIAL"], Kind::Secret, &[Gcs]),
    key("account_name", &["ACCOUNT_NAME"], Kind::Text, &[Azblob]),
    key("account_key", &["ACCOUNT_KEY"], Kind::Secret, &[Azblob]),
    key("sas_token", &["SAS_TOKEN", "AZURE_SAS_TOKEN"], Kind::Secret, &[Azblob]),
    key("https", &["HTTPS"], Kind::Flag, &[Webhdfs, Webdav]),
    key("user_name", &["USER_NAME", "USERNAME", "USER"], Kind::Text, &[Webhdfs]),
    key("username", &["USER_NAME", "USERNAME", "USER"], Kind::Text, &[Webdav, Http]),
    key("password", &["PASSWORD"], Kind::Secret, &[Webdav, Http]),
    key("token", &["TOKEN"], Kind::Secret, &[Gcs, Webdav, Http]),
    key("delegation", &["DELEGATION"], Kind::Secret, &[Webhdfs]),
    key("disable_list_batch", &["DISABLE_LIST_BATCH"], Kind::Flag, &[Webhdfs]),
];

/// Options that have to come together. A half of a pair would silently fall back to whatever the
/// server finds in its own environment.
const PAIRS: &[(Scheme, &str, &str)] = &[
    (S3, "access_key_id", "secret_access_key"),
    (Obs, "access_key_id", "secret_access_key"),
    (Oss, "access_key_id", "access_key_secret"),
    (Cos, "secret_id", "secret_key"),
];

/// Options that need another one.
const NEEDS: &[(Scheme, &str, &str)] = &[
    (S3, "session_token", "access_key_id"),
    (S3, "external_id", "role_arn"),
    (Oss, "security_token", "access_key_id"),
    (Oss, "external_id", "role_arn"),
    (Cos, "security_token", "secret_id"),
    (Webdav, "password", "username"),
    (Http, "password", "username"),
];

/// Options of which any is a credential.
const CREDENTIALS: &[&str] = &[
    "access_key_id",
    "secret_id",
    "role_arn",
    "credential",
    "account_key",
    "sas_token",
    "token",
    "username",
    "delegation",
];

/// What a stage may say beside a connection: neither who it is nor where, or whoever may use a connection could
/// have its secrets sent to a place of his own; and no secret, or whoever may change the connection could.
const BESIDE: &[&str] = &["region", "enable_virtual_host_style", "encryption_type", "kms_key_id"];

/// Options that say where secrets are sent.
const WHERE: &[&str] = &["endpoint", "account_name", "https"];

/// Checks a URL and the options written with it, in any case and either spelling.
pub fn external(url: &str, options: &[(String, String)]) -> Result<External> {
    let (scheme, url) = check_url(url)?;
    let kept = check_options(scheme, options)?;
    check_together(scheme, &kept)?;
    let external = External { url, options: kept, connection: None };
    check_complete(&external)?;
    Ok(external)
}

/// Checks a URL and the options written with it, where a connection says the rest.
pub fn behind(
    url: &str,
    options: &[(String, String)],
    connection: &Connection,
) -> Result<External> {
    let (scheme, url) = check_url(url)?;
    let kept = check_options(scheme, options)?;
    if let Some(key) = kept.keys().find(|key| !BESIDE.contains(&key.as_str())) {
        let sql = |key: &str| by_name(scheme, key).and_then(|key| key.sql.first().copied());
        let beside: Vec<&str> = BESIDE.iter().filter_map(|key| sql(key)).collect();
        return Err(Error::UnknownOption {
            clause: "a stage with CONNECTION_NAME".to_owned(),
            option: sql(key).unwrap_or_default().to_owned(),
            expected: match beside.as_slice() {
                [] => "nothing beside it: all is said by the connection".to_owned(),
                beside => format!("{}; the connection says the rest", beside.join(", ")),
            },
        });
    }
    let via = Via { id: connection.id, name: connection.name.clone() };
    let external = External { url, options: kept, connection: Some(via) };
    joined(&external, connection)?;
    Ok(external)
}

/// The place of a stage with what its connection says.
pub(super) fn joined(external: &External, connection: &Connection) -> Result<External> {
    let kind = storage_type(external);
    if kind != connection.storage_type {
        return Err(Error::BadValue {
            option: "CONNECTION_NAME".to_owned(),
            value: connection.name.clone(),
            expected: format!(
                "a connection of the type {kind}, as the URL has it (it is of the type {})",
                connection.storage_type
            ),
        });
    }
    let mut options = connection.options.clone();
    options.extend(external.options.clone());
    let joined = External { url: external.url.clone(), options, connection: None };
    check_together(scheme(&joined), &joined.options)?;
    check_complete(&joined)?;
    Ok(joined)
}

/// The options of a connection, checked, with the type of storage as it is kept.
pub fn of_connection(
    storage_type: &str,
    options: &[(String, String)],
) -> Result<(&'static str, BTreeMap<String, Secret>)> {
    let scheme = scheme_of_type(storage_type)?;
    let kept = check_options(scheme, options)?;
    check_connection(scheme, &kept)?;
    Ok((type_of(scheme), kept))
}

/// The options of a connection with others over them. Where it is changes only with its secrets: else whoever may
/// change a connection could have them sent to him.
pub fn over_connection(
    connection: &Connection,
    options: &[(String, String)],
) -> Result<BTreeMap<String, Secret>> {
    let scheme = scheme_of_type(&connection.storage_type)?;
    let given = check_options(scheme, options)?;
    let old = &connection.options;
    let moved =
        WHERE.iter().find(|key| given.get(**key).is_some_and(|to| old.get(**key) != Some(to)));
    let kept = |key: &&String| {
        let secret = by_name(scheme, key).is_none_or(|key| key.kind == Kind::Secret);
        secret && !given.contains_key(*key)
    };
    if let (Some(moved), Some(secret)) = (moved, old.keys().find(kept)) {
        let sql = |name: &str| by_name(scheme, name).and_then(|key| key.sql.first().copied());
        return Err(Error::BadValue {
            option: sql(moved).unwrap_or_default().to_owned(),
            value: MASK.to_owned(),
            expected: format!(
                "{} beside it: a secret does not follow to another place by itself",
                sql(secret).unwrap_or_default()
            ),
        });
    }
    let mut options = old.clone();
    options.extend(given);
    check_connection(scheme, &options)?;
    Ok(options)
}

/// The options of a connection as SQL, with secrets as `****`.
pub fn shown_connection(connection: &Connection) -> Vec<(String, String)> {
    let url = url_of(&connection.storage_type);
    shown_options(&External { url, options: connection.options.clone(), connection: None })
}

/// Whether it is the URL that says which host a connection's secrets are sent to.
pub fn names_the_host(url: &str) -> bool {
    url.starts_with("azure://") || matches!(scheme_of(url), Http | Webhdfs | Webdav)
}

/// A URL of this type of storage, for what is the same for all of them.
pub(super) fn url_of(storage_type: &str) -> String {
    format!("{storage_type}://")
}

fn check_connection(scheme: Scheme, options: &BTreeMap<String, Secret>) -> Result<()> {
    check_together(scheme, options)?;
    check_keys(scheme, options)
}

/// The kind of storage that `STORAGE_TYPE` names; one that takes no options needs no connection.
fn scheme_of_type(storage_type: &str) -> Result<Scheme> {
    let takes = |scheme: Scheme| OPTIONS.iter().any(|key| key.schemes.contains(&scheme));
    let word = storage_type.to_ascii_lowercase();
    let found = SCHEMES.iter().find(|(spelling, _, scheme)| *spelling == word && takes(*scheme));
    found.map(|(_, _, scheme)| *scheme).ok_or_else(|| {
        let words = SCHEMES.iter().filter(|(_, _, scheme)| takes(*scheme));
        let words: Vec<&str> = words.map(|(spelling, _, _)| *spelling).collect();
        Error::BadValue {
            option: "STORAGE_TYPE".to_owned(),
            value: storage_type.to_owned(),
            expected: words.join(", "),
        }
    })
}

fn check_options(scheme: Scheme, options: &[(String, String)]) -> Result<BTreeMap<String, Secret>> {
    let mut kept: BTreeMap<String, Secret> = BTreeMap::new();
    for (option, value) in options {
        let key = find(scheme, option)?;
        let value = Secret::new(check_value(key, option, value)?);
        if kept.get(key.name).is_some_and(|other| *other != value) {
            return Err(Error::BadValue {
                option: option.to_uppercase(),
                value: shown(key, value.expose_secret()),
                expected: format!("one value for {}", key.sql.join(" or ")),
            });
        }
        kept.insert(key.name.to_owned(), value);
    }
    Ok(kept)
}

/// The options as SQL, with secrets as `****`.
pub fn shown_options(external: &External) -> Vec<(String, String)> {
    let scheme = scheme(external);
    let mut shown_options: Vec<(String, String)> = external
        .options
        .iter()
        .map(|(name, value)| match by_name(scheme, name) {
            Some(key) => {
                let sql = key.sql.first().copied().unwrap_or(key.name);
                (sql.to_owned(), shown(key, value.expose_secret()))
            }
            None => (name.to_uppercase(), MASK.to_owned()),
        })
        .collect();
    let named = external.connection.iter();
    shown_options.extend(named.map(|via| ("CONNECTION_NAME".to_owned(), via.name.clone())));
    shown_options.sort();
    shown_options
}

/// Such as `s3`, in OpenDAL's and Databend's spelling.
pub fn storage_type(external: &External) -> &'static str {
    type_of(scheme(external))
}

fn type_of(scheme: Scheme) -> &'static str {
    match scheme {
        Fs => "fs",
        Memory => "memory",
        S3 => "s3",
        Gcs => "gcs",
        Azblob => "azblob",
        Oss => "oss",
        Cos => "cos",
        Obs => "obs",
        Webhdfs => "webhdfs",
        Webdav => "webdav",
        Http => "http",
    }
}

/// Whether the stage names who reads and writes its files, if only by a connection.
pub fn has_credentials(external: &External) -> bool {
    external.connection.is_some()
        || CREDENTIALS.iter().any(|name| external.options.contains_key(*name))
}

/// Where the storage is reached, if that is not implied.
pub fn endpoint(external: &External) -> Option<String> {
    let option = external.options.get("endpoint").map(|v| v.expose_secret().to_owned());
    option.or_else(|| match scheme(external) {
        Azblob => azure_parts(&external.url).map(|(account, _, _)| format!("https://{account}")),
        Webhdfs | Webdav => {
            let secure = option_text(external, "https").is_none_or(|v| v == "true");
            let host = host_and_path(&external.url).0;
            Some(format!("{}://{host}", if secure { "https" } else { "http" }))
        }
        Http => {
            let scheme = external.url.split("://").next().unwrap_or("https");
            Some(format!("{scheme}://{}", host_and_path(&external.url).0))
        }
        Fs | Memory | S3 | Gcs | Oss | Cos | Obs => None,
    })
}

/// Whether an option's value has to be sealed. One that is not known is taken for a secret.
pub(super) fn is_secret(external_url: &str, name: &str) -> bool {
    by_name(scheme_of(external_url), name).is_none_or(|key| key.kind == Kind::Secret)
}

/// The kind of storage.
pub(super) fn scheme(external: &External) -> Scheme {
    scheme_of(&external.url)
}

/// The clear text of an option.
pub(super) fn option_text<'a>(external: &'a External, name: &str) -> Option<&'a str> {
    external.options.get(name).map(Secret::expose_secret)
}

/// What follows the scheme, cut at the first `/`; the path has no leading and one trailing `/`,
/// or is empty.
pub(super) fn host_and_path(url: &str) -> (&str, &str) {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split_once('/').unwrap_or((rest, ""))
}

/// Account's host, container and path of `azure://account.../container/path/`.
pub(super) fn azure_parts(url: &str) -> Option<(&str, &str, &str)> {
    let (host, path) = host_and_path(url.strip_prefix("azure://")?);
    let (container, path) = path.split_once('/').unwrap_or((path, ""));
    Some((host, container, path))
}

const MASK: &str = "****";

fn scheme_of(url: &str) -> Scheme {
    let word = url.split("://").next().unwrap_or_default();
    // Every URL in the catalog was checked; one that an older or newer server wrote differently
    // is treated as the kind that can do least.
    SCHEMES.iter().find(|(spelling, _, _)| *spelling == word).map_or(Http, |entry| entry.2)
}

fn by_name(scheme: Scheme, name: &str) -> Option<&'static Key> {
    OPTIONS.iter().find(|key| key.name == name && key.schemes.contains(&scheme))
}

fn find(scheme: Scheme, option: &str) -> Result<&'static Key> {
    let known = || OPTIONS.iter().filter(move |key| key.schemes.contains(&scheme));
    let spelled = |key: &&Key| key.sql.iter().any(|sql| sql.eq_ignore_ascii_case(option));
    known().find(spelled).ok_or_else(|| {
        let names: Vec<_> = known().filter_map(|key| key.sql.first().copied()).collect();
        Error::UnknownOption {
            clause: "CONNECTION".to_owned(),
            option: option.to_uppercase(),
            expected: if names.is_empty() {
                "no option at all for this kind of URL".to_owned()
            } else {
                names.join(", ")
            },
        }
    })
}

fn check_value(key: &Key, option: &str, value: &str) -> Result<String> {
    let bad = |expected: &str| Error::BadValue {
        option: option.to_uppercase(),
        value: shown(key, value),
        expected: expected.to_owned(),
    };
    if value.is_empty() {
        return Err(bad("a text that is not empty"));
    }
    if value.chars().any(char::is_control) {
        return Err(bad("a text without control characters"));
    }
    match key.kind {
        Kind::Text | Kind::Secret => Ok(value.to_owned()),
        Kind::Region => {
            let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            match value.chars().all(part) {
                true => Ok(value.to_owned()),
                false => Err(bad("a region such as eu-central-1")),
            }
        }
        Kind::Flag => match value.to_ascii_lowercase().as_str() {
            flag @ ("true" | "false") => Ok(flag.to_owned()),
            _ => Err(bad("TRUE or FALSE")),
        },
        Kind::OneOf(words) => words
            .iter()
            .find(|word| word.eq_ignore_ascii_case(value))
            .map(|word| (*word).to_owned())
            .ok_or_else(|| bad(&words.join(", "))),
        Kind::Endpoint => check_endpoint(value)
            .ok_or_else(|| bad("a host with an optional port, as in https://s3.example.com:9000")),
    }
}

fn check_endpoint(value: &str) -> Option<String> {
    let (scheme, rest) = match value.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("https".to_owned(), value),
    };
    let rest = rest.trim_end_matches('/');
    let fine = matches!(scheme.as_str(), "http" | "https")
        && !rest.is_empty()
        && !rest.contains(['@', '?', '#', '\\'])
        && !rest.contains(char::is_whitespace)
        && has_good_port(rest.split('/').next().unwrap_or_default());
    fine.then(|| format!("{scheme}://{rest}"))
}

fn has_good_port(host: &str) -> bool {
    // An IPv6 address has colons of its own, inside brackets.
    let after = host.rsplit_once(']').map_or(host, |(_, after)| after);
    match after.split_once(':') {
        Some((_, port)) => port.parse::<u16>().is_ok_and(|port| port > 0),
        None => true,
    }
}

fn check_together(scheme: Scheme, options: &BTreeMap<String, Secret>) -> Result<()> {
    let has = |name: &str| options.contains_key(name);
    let sql = |name: &str| {
        by_name(scheme, name).and_then(|key| key.sql.first().copied()).unwrap_or_default()
    };
    let missing = |given: &str, wanted: &str| Error::BadValue {
        option: sql(given).to_owned(),
        value: MASK.to_owned(),
        expected: format!("{} beside it", sql(wanted)),
    };
    for (_, a, b) in PAIRS.iter().filter(|(of, _, _)| *of == scheme) {
        match (has(a), has(b)) {
            (true, false) => return Err(missing(a, b)),
            (false, true) => return Err(missing(b, a)),
            _ => {}
        }
    }
    for (_, given, wanted) in NEEDS.iter().filter(|(of, _, _)| *of == scheme) {
        if has(given) && !has(wanted) {
            return Err(missing(given, wanted));
        }
    }
    check_encryption(options)
}

/// Whether the storage can be found, and the credentials are of a kind that is followed.
fn check_complete(external: &External) -> Result<()> {
    let bad = |why: &str| Error::BadUrl { url: external.url.clone(), why: why.to_owned() };
    check_keys(scheme(external), &external.options)?;
    match scheme(external) {
        Oss | Cos | Obs if endpoint(external).is_none() => {
            Err(bad("this kind of storage needs ENDPOINT_URL in CONNECTION=(...)"))
        }
        Azblob if azure_endpoint(external).is_none() => {
            Err(bad("ENDPOINT_URL or ACCOUNT_NAME is needed in CONNECTION=(...)"))
        }
        Azblob
            if external.options.contains_key("account_key")
                && azure_account(external).is_none() =>
        {
            Err(masked("ACCOUNT_KEY", "ACCOUNT_NAME beside it"))
        }
        Fs | Memory | S3 | Gcs | Azblob | Oss | Cos | Obs | Webhdfs | Webdav | Http => Ok(()),
    }
}

/// Whether keys are of the form that their storage gives them.
fn check_keys(scheme: Scheme, options: &BTreeMap<String, Secret>) -> Result<()> {
    let text = |name: &str| options.get(name).map(Secret::expose_secret);
    match scheme {
        Azblob if text("account_key").is_some_and(|key| BASE64.decode(key).is_err()) => {
            Err(masked("ACCOUNT_KEY", "base64"))
        }
        Gcs if text("credential").is_some_and(|key| gcs_credential(key).is_none()) => {
            Err(masked("CREDENTIAL", "the JSON key of a service account, in base64"))
        }
        Fs | Memory | S3 | Gcs | Azblob | Oss | Cos | Obs | Webhdfs | Webdav | Http => Ok(()),
    }
}

fn masked(option: &str, expected: &str) -> Error {
    Error::BadValue {
        option: option.to_owned(),
        value: MASK.to_owned(),
        expected: expected.to_owned(),
    }
}

/// Where an Azure account is reached.
pub(super) fn azure_endpoint(external: &External) -> Option<String> {
    endpoint(external).or_else(|| {
        let account = option_text(external, "account_name")?;
        Some(format!("https://{account}.blob.core.windows.net"))
    })
}

/// The account's name: given, or the first label of its host.
pub(super) fn azure_account(external: &External) -> Option<String> {
    if let Some(name) = option_text(external, "account_name") {
        return Some(name.to_owned());
    }
    let endpoint = endpoint(external)?;
    let (account, domain) = host_and_path(&endpoint).0.split_once('.')?;
    domain.starts_with("blob.").then(|| account.to_owned())
}

/// The key of a service account as base64. Other kinds of Google credentials may name files and
/// programs of this machine, which a stage must not make the server read or run.
pub(super) fn gcs_credential(text: &str) -> Option<String> {
    let json = match text.trim_start().starts_with('{') {
        true => text.as_bytes().to_vec(),
        false => BASE64.decode(text.trim()).ok()?,
    };
    let value: serde_json::Value = serde_json::from_slice(&json).ok()?;
    (value.get("type")?.as_str()? == "service_account").then(|| BASE64.encode(json))
}

/// `MASTER_KEY` and `KMS_KEY_ID` say by themselves which encryption is meant.
fn check_encryption(options: &BTreeMap<String, Secret>) -> Result<()> {
    let kind = options.get("encryption_type").map(Secret::expose_secret);
    let clash = |expected: &str| Error::BadValue {
        option: "ENCRYPTION_TYPE".to_owned(),
        value: kind.unwrap_or_default().to_owned(),
        expected: expected.to_owned(),
    };
    if options.contains_key("master_key") && !matches!(kind, None | Some(SSE_C)) {
        return Err(clash("AWS_SSE_C, because MASTER_KEY is given"));
    }
    if options.contains_key("kms_key_id") && !matches!(kind, None | Some(SSE_KMS)) {
        return Err(clash("AWS_SSE_KMS, because KMS_KEY_ID is given"));
    }
    if options.contains_key("kms_key_id") && options.contains_key("master_key") {
        return Err(clash("either MASTER_KEY or KMS_KEY_ID"));
    }
    match (kind, options.get("master_key")) {
        (Some(SSE_C), None) => Err(clash("MASTER_KEY beside it")),
        (_, Some(key)) if master_key(key.expose_secret()).is_none() => Err(Error::BadValue {
            option: "MASTER_KEY".to_owned(),
            value: MASK.to_owned(),
            expected: "32 bytes in base64".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The 32 bytes of a master key.
pub(super) fn master_key(text: &str) -> Option<[u8; 32]> {
    let bytes = BASE64.decode(text).ok()?;
    bytes.try_into().ok()
}

fn shown(key: &Key, value: &str) -> String {
    match key.kind {
        Kind::Secret => MASK.to_owned(),
        Kind::Endpoint => without_credentials(value),
        Kind::Text | Kind::Region | Kind::Flag | Kind::OneOf(_) => value.to_owned(),
    }
}

/// Checks a URL; the result has its scheme in the kept spelling and ends in `/`.
fn check_url(url: &str) -> Result<(Scheme, String)> {
    let bad = |why: &str| Error::BadUrl { url: without_credentials(url), why: why.to_owned() };
    if url.chars().any(|c| c.is_control() || c == '\\') || url.trim() != url {
        return Err(bad("blanks at its ends, backslashes and control characters are not allowed"));
    }
    let Some((word, rest)) = url.split_once("://") else {
        return Err(bad(&if url.starts_with('/') {
            format!("it has no scheme; a local directory is written fs://{url}")
        } else {
            "it has no scheme, as in s3://bucket/path/".to_owned()
        }));
    };
    let word = word.to_ascii_lowercase();
    if word == "file" {
        return Err(bad(&format!("a local directory is written fs://{rest}")));
    }
    let Some(&(_, kept, scheme)) = SCHEMES.iter().find(|(spelling, _, _)| *spelling == word) else {
        let words: Vec<_> = SCHEMES.iter().map(|(spelling, _, _)| *spelling).collect();
        return Err(bad(&format!("the scheme is none of {}", words.join(", "))));
    };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    check_host(scheme, kept, host, path).map_err(|why| bad(&why))?;
    // A file system says "/" by its root; a doubled one at the end is a slip of the keyboard.
    let path = path.trim_end_matches('/');
    if let Err(error) = StagePath::new(path) {
        return Err(if let Error::BadPath { why, .. } = error { bad(why) } else { error });
    }
    let slash = if path.is_empty() { "" } else { "/" };
    Ok((scheme, format!("{kept}://{host}/{path}{slash}")))
}

fn check_host(scheme: Scheme, word: &str, host: &str, path: &str) -> Result<(), String> {
    if host.contains('@') {
        return Err("credentials belong into CREDENTIALS=(...) or CONNECTION=(...)".to_owned());
    }
    if host.contains(['?', '#', '%']) || host.contains(char::is_whitespace) {
        return Err("the part before the first '/' is no name".to_owned());
    }
    match scheme {
        Fs if !host.is_empty() => {
            Err(format!("a local directory has three slashes: fs:///{host}/{path}"))
        }
        Fs => Ok(()),
        _ if host.is_empty() => Err(match scheme {
            Webhdfs | Webdav | Http => "the host is missing".to_owned(),
            Memory => "the name is missing, as in memory://name/".to_owned(),
            Azblob if word == "azblob" => "the container is missing".to_owned(),
            Fs | S3 | Gcs | Azblob | Oss | Cos | Obs => "the bucket is missing".to_owned(),
        }),
        Webhdfs | Webdav | Http => {
            if has_good_port(host) {
                Ok(())
            } else {
                Err("the port is no number".to_owned())
            }
        }
        _ if host.contains(':') => {
            Err("a host and port belong into ENDPOINT_URL='http://host:port'".to_owned())
        }
        Azblob if word == "azure" => {
            if !host.contains('.') {
                return Err("expected azure://account.blob.core.windows.net/container/path/, or \
                            azblob://container/path/ with ENDPOINT_URL"
                    .to_owned());
            }
            if path.trim_matches('/').is_empty() {
                return Err("the container is missing".to_owned());
            }
            Ok(())
        }
        Memory | S3 | Gcs | Azblob | Oss | Cos | Obs => Ok(()),
    }
}

/// The URL for a message. Whatever stands before an `@` may be a password.
pub fn without_credentials(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(s, r)| (s, r));
    let host_end = rest.find('/').unwrap_or(rest.len());
    let shown = match rest[..host_end].rfind('@') {
        Some(at) => format!("{MASK}{}", &rest[at..]),
        None => rest.to_owned(),
    };
    let shown = if scheme.is_empty() { shown } else { format!("{scheme}://{shown}") };
    shown
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn url(url: &str) -> Result<String> {
        external(url, &[]).map(|external| external.url)
    }

    #[test]
    fn urls_are_brought_into_one_form() {
        for (given, kept) in [
            ("s3://b", "s3://b/"),
            ("S3://b/p", "s3://b/p/"),
            ("gs://b/p/", "gcs://b/p/"),
            ("fs:///srv/data", "fs:///srv/data/"),
            ("fs:///", "fs:///"),
            ("memory://m", "memory://m/"),
            ("azure://a.blob.core.windows.net/c/p", "azure://a.blob.core.windows.net/c/p/"),
            ("webhdfs://h:9870/p", "webhdfs://h:9870/p/"),
            ("https://h:1/a b/é", "https://h:1/a b/é/"),
        ] {
            assert_eq!(url(given).expect(given), kept);
        }
    }

    #[test]
    fn wrong_urls_say_why() {
        for (given, why) in [
            ("/srv/data", "a local directory is written fs:///srv/data"),
            ("file:///srv", "a local directory is written fs:///srv"),
            ("b/p", "as in s3://bucket/path/"),
            ("ftp://h/", "the scheme is none of s3, gcs,"),
            ("s3:///p/", "the bucket is missing"),
            ("s3://", "the bucket is missing"),
            ("azure://a.blob.core.windows.net/", "the container is missing"),
            ("azure://container/p/", "azblob://container/path/ with ENDPOINT_URL"),
            ("s3://b:9000/p/", "belong into ENDPOINT_URL"),
            ("webhdfs://h:x/p/", "the port is no number"),
            ("s3://b/../c/", "'.' and '..' are not followed"),
            ("s3://b//c/", "'/'"),
            ("fs://srv/data/", "three slashes: fs:///srv/data/"),
        ] {
            let error = url(given).expect_err(given).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_password_in_a_url_is_refused_and_not_repeated() {
        let error = url("s3://AKIA:hush@b/p/").expect_err("credentials").to_string();
        assert!(!error.contains("hush") && error.contains("CREDENTIALS"), "{error}");
    }

    #[test]
    fn both_dialects_of_options_are_one() {
        let place = |pairs: &[(&str, &str)]| external("s3://b/", &options(pairs)).expect("valid");
        let snowflake = place(&[("AWS_KEY_ID", "k"), ("AWS_SECRET_KEY", "s"), ("AWS_TOKEN", "t")]);
        let databend =
            place(&[("access_key_id", "k"), ("Secret_Access_Key", "s"), ("session_token", "t")]);
        assert_eq!(snowflake, databend);
        assert_eq!(
            shown_options(&snowflake),
            options(&[
                ("ACCESS_KEY_ID", "k"),
                ("SECRET_ACCESS_KEY", "****"),
                ("SESSION_TOKEN", "****"),
            ])
        );
        assert!(has_credentials(&snowflake));
        // The same value twice is fine, as when both spellings come from a template.
        place(&[("AWS_KEY_ID", "k"), ("ACCESS_KEY_ID", "k"), ("AWS_SECRET_KEY", "s")]);
    }

    #[test]
    fn wrong_options_say_what_is_right() {
        for (pairs, why) in [
            (&[("REGIONN", "x")][..], "expected ENDPOINT_URL, REGION"),
            (&[("ENABLE_VIRTUAL_HOST_STYLE", "yes")], "expected TRUE or FALSE"),
            (&[("ENDPOINT", "ftp://x")], "a host with an optional port"),
            (&[("ENDPOINT", "http://u:hush@x")], "a host with an optional port"),
            (&[("ENDPOINT", "x:y")], "a host with an optional port"),
            (&[("REGION", "")], "not empty"),
            (&[("REGION", "a"), ("AWS_REGION", "b")], "one value for REGION or AWS_REGION"),
            (&[("AWS_KEY_ID", "k")], "SECRET_ACCESS_KEY beside it"),
            (&[("AWS_SECRET_KEY", "hush")], "ACCESS_KEY_ID beside it"),
            (&[("TYPE", "AWS_SSE_X")], "AWS_SSE_S3, AWS_SSE_KMS"),
            (&[("TYPE", "AWS_SSE_S3"), ("KMS_KEY_ID", "k")], "because KMS_KEY_ID is given"),
            (&[("MASTER_KEY", "hush")], "32 bytes in base64"),
        ] {
            let error = external("s3://b/", &options(pairs)).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
            assert!(!error.contains("hush") || why.contains("host"), "{error}");
        }
        let error = external("fs:///srv/", &options(&[("X", "y")])).expect_err("none");
        assert!(error.to_string().contains("no option at all"), "{error}");
    }

    #[test]
    fn endpoints_get_a_scheme() {
        let place =
            external("s3://b/", &options(&[("ENDPOINT", "s3.example.com/")])).expect("valid");
        assert_eq!(endpoint(&place).as_deref(), Some("https://s3.example.com"));
        let azure = external("azure://a.blob.core.windows.net/c/p/", &[]).expect("valid");
        assert_eq!(endpoint(&azure).as_deref(), Some("https://a.blob.core.windows.net"));
        assert_eq!(azure_parts(&azure.url), Some(("a.blob.core.windows.net", "c", "p/")));
    }

    #[test]
    fn a_region_names_no_other_host() {
        for region in ["eu-central-1", "auto", "us_gov", "US-EAST-1"] {
            assert!(external("s3://b/", &options(&[("REGION", region)])).is_ok(), "{region}");
        }
        for region in ["x.evil.example/", "a@10.0.0.1/?", "e.x", "a#", "a\\b", "a b"] {
            let error = external("s3://b/", &options(&[("REGION", region)])).expect_err(region);
            assert!(matches!(error, Error::BadValue { .. }), "{error}");
        }
    }

    #[test]
    fn what_stands_beside_a_connection_is_no_secret_and_leads_nowhere() {
        for key in OPTIONS.iter().filter(|key| BESIDE.contains(&key.name)) {
            assert!(!matches!(key.kind, Kind::Secret | Kind::Endpoint), "{}", key.name);
            assert!(!CREDENTIALS.contains(&key.name) && !WHERE.contains(&key.name), "{}", key.name);
        }
        for key in OPTIONS.iter().filter(|key| key.kind == Kind::Endpoint) {
            assert!(WHERE.contains(&key.name), "{}", key.name);
        }
        for (url, names) in [
            ("s3://b/", false),
            ("azblob://c/", false),
            ("azure://a.blob.core.windows.net/c/", true),
            ("webdav://h/", true),
            ("webhdfs://h:1/", true),
            ("https://h/", true),
        ] {
            assert_eq!(names_the_host(url), names, "{url}");
        }
    }

    #[test]
    fn unknown_options_are_taken_for_secrets() {
        assert!(is_secret("s3://b/", "secret_access_key"));
        assert!(!is_secret("s3://b/", "region"));
        assert!(is_secret("s3://b/", "of_a_newer_version"));
    }
}
