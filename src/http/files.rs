//! `GET | HEAD | PUT | DELETE /v1/stages/{stage}/{path}`: one file of a stage.
//!
//! ```text
//! $ curl -u root:... -T books.csv http://localhost:8000/v1/stages/lake/2024/books.csv
//! {"path":"2024/books.csv","size":65}
//! $ curl -u root:... -r 0-9 http://localhost:8000/v1/stages/lake/2024/books.csv
//! id,title
//! 1
//! $ curl -u root:... http://localhost:8000/v1/stages/lake/2024/
//! {"error":{"code":400,"message":"Incorrect path '2024/': it names no file. Hint: ..."}}
//! ```
//!
//! The stage is `name`, `db.name`, `~` or `%table`, percent-encoded as the path is. A request needs basic
//! authentication, or the signature that `PRESIGN` puts into a URL.
//!
//! `Repr-Digest` is the SHA-256 of the stored file, where it is known. `GET` and `HEAD` know `Range` (one range; of several the whole file is the answer), `If-Range` and
//! `If-None-Match`. `PUT` keeps the bytes as they come and replaces what is there, unless
//! `If-None-Match: *` forbids it (412); `Content-MD5` is compared before the file is there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Range;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use headers::{
    AcceptRanges, ContentLength, ContentRange, ETag, HeaderMapExt, IfNoneMatch, IfRange,
    LastModified,
};
use md5::{Digest, Md5};
use serde_json::json;

use super::answer::Failure;
use super::caller::{Area, authenticate, in_time, name_of};
use super::listener::Caller;
use crate::access::people::StagePrivilege;
use crate::access::{ROOT, audit};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::metrics::{self, Download};
use crate::stage::files::{Entry, Files};
use crate::stage::name::StagePath;
use crate::stage::{Link, Scope};
use crate::transfer::upload::{Options, Status, Upload};

/// The parameters of a signed URL.
const SIGNATURE: &str = "signature";
const EXPIRES: &str = "expires";
const USER: &str = "user";
const CONTENT_TYPE: &str = "content_type";

/// What a file is if nobody says.
const BYTES: &str = "application/octet-stream";

type Parameters = HashMap<String, String>;

/// Answers one request.
pub(super) async fn handle(
    State(instance): State<Arc<Instance>>,
    ConnectInfo(Caller { addr: peer, .. }): ConnectInfo<Caller>,
    place: Result<Path<(String, String)>, PathRejection>,
    Query(parameters): Query<Parameters>,
    request: Request,
) -> Result<Response, Failure> {
    // A body can't be shared between threads, its head can.
    let (head, body) = request.into_parts();
    let method = head.method.clone();
    let answer = async {
        let Path((stage, path)) =
            place.map_err(|error| Error::BadRequest { why: error.body_text() })?;
        let found = find(&instance, peer.ip(), &stage, path, &parameters, &head).await?;
        match method {
            Method::PUT => store(&instance, found, &head.headers, body).await,
            Method::DELETE => remove(found).await,
            _ => fetch(found, &parameters, &head).await,
        }
    };
    let answer = answer.await;
    // Of who is refused the log-in nobody knows the name for sure; a link tells it.
    let user = name_of(&head.headers)
        .or_else(|| parameters.get(USER).cloned())
        .unwrap_or_else(|| ROOT.to_owned());
    // Without the query: a signature opens the file.
    let what = format!("{method} {}", head.uri.path());
    let changes = method == Method::PUT || method == Method::DELETE;
    audit::record(&user, peer.ip(), &what, changes, &answer);
    if let Err(error) = &answer {
        let detail = error.detail();
        if method == Method::PUT {
            metrics::upload("http", "ERROR", 0);
        }
        if error.is_ours() {
            tracing::error!(%peer, %method, %error, detail, "request failed");
        } else {
            tracing::info!(%peer, %method, %error, "request refused");
        }
    }
    Ok(answer?)
}

/// A file that the caller may use, whether it is there or not.
struct Found {
    files: Arc<Files>,
    path: StagePath,
}

async fn find(
    instance: &Instance,
    ip: IpAddr,
    stage: &str,
    path: String,
    parameters: &Parameters,
    head: &Parts,
) -> Result<Found> {
    let area = Area::parse(stage);
    let Some(signature) = parameters.get(SIGNATURE) else {
        let user = authenticate(instance, ip, &head.headers).await?;
        let privilege = match head.method {
            Method::PUT | Method::DELETE => StagePrivilege::Write,
            _ => StagePrivilege::Read,
        };
        let files = area.files_for(instance, &user, privilege).await?;
        return Ok(Found { files, path: file_path(path)? });
    };
    let user = parameters.get(USER).map_or("", String::as_str);
    // Whoever has no valid signature doesn't learn which stages there are.
    let (files, scope) = area
        .files(instance, user, head.method == Method::PUT)
        .await
        .map_err(|_| Error::BadLink { why: "it is not signed so" })?;
    check(instance, &scope, &path, signature, parameters, &head.method)?;
    Ok(Found { files, path: file_path(path)? })
}

fn check(
    instance: &Instance,
    scope: &Scope,
    path: &str,
    signature: &str,
    parameters: &Parameters,
    method: &Method,
) -> Result<()> {
    let expires = parameters.get(EXPIRES).and_then(|text| text.parse::<u64>().ok());
    let link = Link {
        method: method.as_str(),
        scope,
        path,
        expires: expires.unwrap_or(0),
        content_type: parameters.get(CONTENT_TYPE).map_or("", String::as_str),
    };
    if !instance.stages.is_signed(&link, signature) {
        return Err(Error::BadLink { why: "it is not signed so" });
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if link.expires < now {
        return Err(Error::BadLink { why: "its time is over" });
    }
    Ok(())
}

fn file_path(path: String) -> Result<StagePath> {
    let path = StagePath::new(path)?;
    if path.is_root() || path.as_str().ends_with('/') {
        return Err(Error::BadPath { path: path.to_string(), why: "it names no file" });
    }
    Ok(path)
}

async fn fetch(found: Found, parameters: &Parameters, head: &Parts) -> Result<Response> {
    let Found { files, path } = found;
    let missing = || Error::UnknownFile { path: path.to_string() };
    let entry = files.look(&path).await?.ok_or_else(missing)?;
    let wanted = &head.headers;
    let etag = etag(&entry);
    let mut about = HeaderMap::new();
    about.typed_insert(AcceptRanges::bytes());
    about.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    about.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    about.extend(repr_digest(&entry).map(|value| (REPR_DIGEST, value)));
    let content_type = parameters.get(CONTENT_TYPE).filter(|_| parameters.contains_key(SIGNATURE));
    let content_type = content_type.and_then(|text| HeaderValue::from_str(text).ok());
    about.insert(
        header::CONTENT_TYPE,
        content_type.unwrap_or_else(|| HeaderValue::from_static(BYTES)),
    );
    let modified = entry.last_modified.map(|time| LastModified::from(SystemTime::from(time)));
    if let Some(modified) = modified {
        about.typed_insert(modified);
    }
    if let Some(etag) = &etag {
        about.typed_insert(etag.clone());
        let known = wanted.typed_get::<IfNoneMatch>();
        if known.is_some_and(|known| !known.precondition_passes(etag)) {
            return Ok((StatusCode::NOT_MODIFIED, about).into_response());
        }
    }
    let range = if is_outdated(wanted, &about, etag.as_ref()) {
        None
    } else {
        wanted_range(wanted, entry.size)
    };
    let (status, range) = match range {
        None => (StatusCode::OK, 0..entry.size),
        Some(Some(range)) => {
            if let Ok(header) = ContentRange::bytes(range.clone(), entry.size) {
                about.typed_insert(header);
            }
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Some(None) => {
            about.typed_insert(ContentRange::unsatisfied_bytes(entry.size));
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, about).into_response());
        }
    };
    about.typed_insert(ContentLength(range.end - range.start));
    let body = if head.method == Method::HEAD || range.is_empty() {
        Body::empty()
    } else {
        let length = range.end - range.start;
        let blocks = files.read_range(&path, range).await?;
        let blocks = blocks.inspect_err(|error| {
            tracing::error!(%error, detail = error.detail(), "a download was cut off");
        });
        Body::from_stream(counted(blocks, length))
    };
    Ok((status, about, body).into_response())
}

/// Whether a range is wanted of another version than this. A time has to be the very time that was told: after a clock
/// was set back, the newer version is the one with the earlier time. (The `headers` crate compares.)
fn is_outdated(wanted: &HeaderMap, about: &HeaderMap, etag: Option<&ETag>) -> bool {
    let Some(known) = wanted.get(header::IF_RANGE) else { return false };
    let other = || wanted.typed_get::<IfRange>().is_none_or(|known| known.is_modified(etag, None));
    about.get(header::LAST_MODIFIED) != Some(known) && other()
}

/// Tells of a download as it goes. One that is dropped before all has gone was cut off.
fn counted(
    blocks: impl Stream<Item = Result<Bytes>> + Send + 'static,
    length: u64,
) -> impl Stream<Item = Result<Bytes>> + Send {
    let (mut download, mut left) = (Download::begin("http"), length);
    blocks.inspect_ok(move |block| {
        download.sent(block.len());
        left = left.saturating_sub(u64::try_from(block.len()).unwrap_or(u64::MAX));
        if left == 0 {
            download.done();
        }
    })
}

/// The one range that is asked for: `None` if there is none, or several; `Some(None)` if the file
/// does not reach so far. (The `headers` crate refuses `bytes=-30` of a file of ten.)
fn wanted_range(wanted: &HeaderMap, size: u64) -> Option<Option<Range<u64>>> {
    let text = wanted.get(header::RANGE)?.to_str().ok()?;
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let (start, end) = match (first, last) {
        ("", last) => (size.saturating_sub(last.parse().ok()?), size),
        (first, "") => (first.parse().ok()?, size),
        (first, last) => {
            let (first, last) = (first.parse::<u64>().ok()?, last.parse::<u64>().ok()?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some((start < end).then_some(start..end))
}

/// Of the whole file, as it is stored, whatever range is asked for. Source: RFC 9530.
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

fn repr_digest(entry: &Entry) -> Option<HeaderValue> {
    let sha256 = entry.sha256_bytes()?;
    HeaderValue::from_str(&format!("sha-256=:{}:", BASE64_STANDARD.encode(sha256))).ok()
}

/// The storage's own; else size and time of the last change, as web servers do.
fn etag(entry: &Entry) -> Option<ETag> {
    let text = match (&entry.etag, entry.last_modified) {
        (Some(etag), _) if etag.starts_with('"') || etag.starts_with("W/") => etag.clone(),
        (Some(etag), _) => format!("\"{etag}\""),
        (None, Some(changed)) => format!("\"{:x}-{:x}\"", entry.size, changed.as_nanosecond()),
        (None, None) => return None,
    };
    text.parse().ok()
}

async fn store(
    instance: &Instance,
    found: Found,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response> {
    let Found { files, path } = found;
    for unknown in [header::IF_MATCH, header::CONTENT_RANGE] {
        if headers.contains_key(&unknown) {
            return Err(Error::BadRequest { why: format!("'{unknown}' can't be used with PUT") });
        }
    }
    let overwrite = match headers.get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes) {
        None => true,
        Some(b"*") => false,
        Some(_) => {
            let why = "'If-None-Match' takes nothing but '*' with PUT".to_owned();
            return Err(Error::BadRequest { why });
        }
    };
    let mut expected = expected_md5(headers)?;
    let (dir, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
    let dir = StagePath::new(dir)?;
    let existed = files.stat(&path).await?.is_some();
    if existed && !overwrite {
        return Ok(exists(&path));
    }
    let _turn = instance.upload_turn().await?;
    let options = Options::as_it_comes(overwrite);
    let mut upload = Upload::new(files, dir, name, options)?;
    let timeout = instance.config.limits.net_timeout();
    let mut body = body.into_data_stream();
    let received = async {
        while let Some(block) =
            in_time(timeout, body.try_next(), |error: &axum::Error| error.to_string()).await?
        {
            if let Some((_, digest)) = &mut expected {
                digest.update(&block);
            }
            upload.push(block).await?;
        }
        match expected.take().map(|(md5, digest)| md5 == <[u8; 16]>::from(digest.finalize())) {
            Some(false) => Err(Error::BadRequest {
                why: "The body has another MD5 than 'Content-MD5'".to_owned(),
            }),
            Some(true) | None => Ok(()),
        }
    };
    if let Err(error) = received.await {
        upload.abort().await;
        return Err(error);
    }
    let report = upload.finish().await?;
    metrics::upload("http", report.status.name(), report.source_size);
    if report.status == Status::Skipped {
        return Ok(exists(&path));
    }
    let status = if existed { StatusCode::OK } else { StatusCode::CREATED };
    let answer = json!({ "path": path.as_str(), "size": report.source_size });
    Ok((status, Json(answer)).into_response())
}

fn expected_md5(headers: &HeaderMap) -> Result<Option<([u8; 16], Md5)>> {
    let Some(text) = headers.get("content-md5") else { return Ok(None) };
    let md5 = BASE64_STANDARD.decode(text.as_bytes()).ok().and_then(|md5| md5.try_into().ok());
    let why = || "'Content-MD5' is not 16 bytes in base64".to_owned();
    Ok(Some((md5.ok_or_else(|| Error::BadRequest { why: why() })?, Md5::new())))
}

fn exists(path: &StagePath) -> Response {
    let message = Error::FileExists { path: path.to_string() }.to_string();
    super::answer::refuse(StatusCode::PRECONDITION_FAILED, &message)
}

async fn remove(found: Found) -> Result<Response> {
    let Found { files, path } = found;
    let Some(entry) = files.stat(&path).await? else {
        return Err(Error::UnknownFile { path: path.to_string() });
    };
    let mut removed = files.remove(stream::iter([Ok(entry)]).boxed());
    while let Some((_, result)) = removed.next().await {
        result?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
