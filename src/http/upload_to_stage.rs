//! `PUT /v1/upload_to_stage`: the files of a multipart form go to a stage.
//!
//! ```text
//! $ curl -H "stage_name:my_internal_stage" -F "upload=@books.parquet" \
//!        -XPUT "http://localhost:8000/v1/upload_to_stage"
//! {"id":"...","stage_name":"my_internal_stage","state":"SUCCESS","files":["books.parquet"]}
//! ```
//!
//! As in Databend's document: files keep their bytes and names, and replace what is there; add
//! `x-stagewire-overwrite: false` to be refused with 409 instead. Unlike Databend's, a request whose
//! body breaks off is an error and leaves nothing, not even the files that had come whole.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{ConnectInfo, FromRequest, Multipart, Request, State};
use axum::http::HeaderMap;
use serde::Serialize;
use uuid::Uuid;

use super::answer::Failure;
use super::caller::{Area, authenticate, in_time, name_of};
use super::listener::Caller;
use crate::access::people::StagePrivilege;
use crate::access::{ROOT, audit};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::metrics;
use crate::stage::files::Files;
use crate::stage::name::StagePath;
use crate::transfer::upload::{Options, Status, Upload};

/// Files of one request: each holds a part of its content in memory until all have come.
const MAX_FILES: usize = 100;

/// Databend's headers, the older spelling last.
const STAGE_HEADERS: &[&str] = &["x-databend-stage-name", "stage_name"];
const PATH_HEADERS: &[&str] = &["x-databend-relative-path", "relative_path"];
const OVERWRITE_HEADER: &str = "x-stagewire-overwrite";

/// Databend's answer, in its order.
#[derive(Serialize)]
pub(super) struct Answer {
    id: Uuid,
    stage_name: String,
    state: &'static str,
    files: Vec<String>,
}

/// Answers one request.
pub(super) async fn handle(
    State(instance): State<Arc<Instance>>,
    ConnectInfo(Caller { addr: peer, .. }): ConnectInfo<Caller>,
    request: Request,
) -> Result<Json<Answer>, Failure> {
    let headers = request.headers().clone();
    let answer = receive(&instance, peer.ip(), &headers, request).await;
    let user = name_of(&headers).unwrap_or_else(|| ROOT.to_owned());
    let stage = text(&headers, STAGE_HEADERS).ok().flatten().unwrap_or_default();
    audit::record(&user, peer.ip(), &format!("PUT /v1/upload_to_stage {stage}"), true, &answer);
    if let Err(error) = &answer {
        metrics::upload("http", "ERROR", 0);
        let detail = error.detail();
        if error.is_ours() {
            tracing::error!(%peer, %error, detail, "upload failed");
        } else {
            tracing::info!(%peer, %error, "upload refused");
        }
    }
    Ok(Json(answer?))
}

async fn receive(
    instance: &Arc<Instance>,
    ip: IpAddr,
    headers: &HeaderMap,
    request: Request,
) -> Result<Answer> {
    let user = authenticate(instance, ip, headers).await?;
    let stage_name = text(headers, STAGE_HEADERS)?.ok_or_else(|| Error::BadRequest {
        why: "The header 'x-databend-stage-name' (or 'stage_name') is missing".to_owned(),
    })?;
    let dir = text(headers, PATH_HEADERS)?.unwrap_or_default();
    let dir = StagePath::new(dir.trim_matches('/'))?;
    let overwrite = match text(headers, &[OVERWRITE_HEADER])?.unwrap_or("true") {
        "true" => true,
        "false" => false,
        other => {
            return Err(Error::BadValue {
                option: OVERWRITE_HEADER.to_owned(),
                value: other.to_owned(),
                expected: "true or false".to_owned(),
            });
        }
    };
    let area = Area::parse(stage_name);
    let files = area.files_for(instance, &user, StagePrivilege::Write).await?;
    let form = Multipart::from_request(request, &()).await.map_err(|error| Error::BadRequest {
        why: format!("Expected a multipart/form-data body: {}", error.body_text()),
    })?;
    let _turn = instance.upload_turn().await?;
    let mut uploads = Form { files, dir, overwrite, uploads: Vec::new() };
    let timeout = instance.config.limits.net_timeout();
    let received = uploads.receive(form, timeout).await;
    let names = match received {
        Ok(()) => uploads.commit().await?,
        Err(error) => {
            uploads.abort().await;
            return Err(error);
        }
    };
    Ok(Answer {
        id: Uuid::new_v4(),
        stage_name: stage_name.to_owned(),
        state: "SUCCESS",
        files: names,
    })
}

/// The files of one form, none of them visible yet.
struct Form {
    files: Arc<Files>,
    dir: StagePath,
    overwrite: bool,
    uploads: Vec<(String, Upload)>,
}

impl Form {
    async fn receive(&mut self, mut form: Multipart, timeout: Duration) -> Result<()> {
        while let Some(field) =
            in_time(timeout, form.next_field(), MultipartError::body_text).await?
        {
            self.receive_file(field, timeout).await?;
        }
        if self.uploads.is_empty() {
            return Err(Error::BadRequest {
                why: "The form holds no file. Hint: curl -F \"upload=@/path/to/file\"".to_owned(),
            });
        }
        Ok(())
    }

    async fn receive_file(&mut self, mut field: Field<'_>, timeout: Duration) -> Result<()> {
        let Some(name) = field.file_name().map(str::to_owned) else {
            let field = field.name().unwrap_or("").to_owned();
            return Err(Error::BadRequest {
                why: format!(
                    "The form's part '{field}' has no file name. Hint: with curl, write the '@' in \
                     -F \"upload=@/path/to/file\""
                ),
            });
        };
        if self.uploads.iter().any(|(known, _)| *known == name) {
            return Err(Error::FileExists { path: name });
        }
        if self.uploads.len() == MAX_FILES {
            return Err(Error::BadRequest {
                why: format!("A request takes at most {MAX_FILES} files; send the rest in another"),
            });
        }
        let options = Options::as_it_comes(self.overwrite);
        let mut upload = Upload::new(self.files.clone(), self.dir.clone(), &name, options)?;
        if upload.skipped_already().await?.is_some() {
            return Err(Error::FileExists { path: self.dir.join(&name)?.to_string() });
        }
        self.uploads.push((name, upload));
        while let Some(block) = in_time(timeout, field.chunk(), MultipartError::body_text).await? {
            if let Some((_, upload)) = self.uploads.last_mut() {
                upload.push(block).await?;
            }
        }
        if let Some((_, upload)) = self.uploads.last() {
            upload.whole().await;
        }
        Ok(())
    }

    /// Makes the files visible, in the order in which they came.
    async fn commit(self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for (name, upload) in self.uploads {
            let report = upload.finish().await?;
            if report.status == Status::Skipped {
                return Err(Error::FileExists { path: report.target.to_string() });
            }
            metrics::upload("http", report.status.name(), report.source_size);
            names.push(name);
        }
        Ok(names)
    }

    async fn abort(self) {
        for (_, upload) in self.uploads {
            upload.abort().await;
        }
    }
}

/// The value of the first of these headers that is there. UTF-8 is allowed, though HTTP has it not.
fn text<'a>(headers: &'a HeaderMap, names: &[&str]) -> Result<Option<&'a str>> {
    let Some(value) = names.iter().find_map(|name| headers.get(*name)) else { return Ok(None) };
    std::str::from_utf8(value.as_bytes())
        .map(|text| Some(text.trim()))
        .map_err(|_| Error::BadRequest { why: "A header is not UTF-8".to_owned() })
}
