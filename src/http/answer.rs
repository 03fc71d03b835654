//! Errors as HTTP answers: `{"error":{"code":404,"message":"..."}}`.

use axum::Json;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, StorageKind};

/// An error on its way to an HTTP client.
pub(super) struct Failure(pub(super) Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        let mut response = refuse(status, &self.0.message());
        if status == StatusCode::UNAUTHORIZED {
            let basic = HeaderValue::from_static("Basic realm=\"stagewire\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

const ROUTES: &str = "Hint: PUT /v1/upload_to_stage, GET, PUT or DELETE /v1/stages/<stage>/<path>, \
                      GET /health, GET /metrics";

/// The answer to every path that is not there.
pub(super) async fn not_found(uri: Uri) -> Response {
    refuse(StatusCode::NOT_FOUND, &format!("There is no {}. {ROUTES}", uri.path()))
}

/// The answer to a path that is there for other methods.
pub(super) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let message = format!("{method} can't be used on {}. {ROUTES}", uri.path());
    refuse(StatusCode::METHOD_NOT_ALLOWED, &message)
}

pub(super) fn refuse(status: StatusCode, message: &str) -> Response {
    (status, Json(error(status.as_u16(), message))).into_response()
}

/// An answer's body, as a text.
pub(super) fn body(status: u16, message: &str) -> String {
    error(status, message).to_string()
}

fn error(code: u16, message: &str) -> serde_json::Value {
    json!({ "error": { "code": code, "message": message } })
}

fn status(error: &Error) -> StatusCode {
    match error {
        Error::Syntax { .. }
        | Error::EmptyQuery
        | Error::NoDatabase
        | Error::Unsupported { .. }
        | Error::BadName { .. }
        | Error::NameTooLong { .. }
        | Error::BadPath { .. }
        | Error::BadValue { .. }
        | Error::UnknownOption { .. }
        | Error::BadPattern { .. }
        | Error::BadUrl { .. }
        | Error::NoData { .. }
        | Error::NoMatch { .. }
        | Error::NotAsDeclared { .. }
        | Error::NotAsked { .. }
        | Error::PrincipalExists { .. }
        | Error::UnknownPrincipal { .. }
        | Error::BadArchive { .. }
        | Error::BadMember { .. }
        | Error::LocalInfileOff
        | Error::UnknownVariable { .. }
        | Error::ReadOnlyVariable { .. }
        | Error::WrongValue { .. }
        | Error::WrongType { .. }
        | Error::OtherScope { .. }
        | Error::GlobalVariable { .. }
        | Error::SessionVariable { .. }
        | Error::UnknownTimeZone { .. }
        | Error::UnknownCharacterSet { .. }
        | Error::UnknownCollation { .. }
        | Error::CollationMismatch { .. }
        | Error::UnknownColumn { .. }
        | Error::AmbiguousColumn { .. }
        | Error::SameTable { .. }
        | Error::NamelessTable
        | Error::SeveralRows
        | Error::SeveralColumns
        | Error::NoGroup
        | Error::WrongArgumentCount { .. }
        | Error::QueryTimeout
        | Error::Interrupted
        | Error::ConnectionKilled
        | Error::DifferentColumns
        | Error::OutOfRange { .. }
        | Error::BadLiteral { .. }
        | Error::NoTables
        | Error::TooPrecise { .. }
        | Error::UnknownHandler { .. }
        | Error::NoBinaryLog
        | Error::UnknownEngine { .. }
        | Error::UnknownFunction { .. }
        | Error::NotPreparable
        | Error::UnknownPrepared { .. }
        | Error::WrongParameters
        | Error::MalformedPacket
        | Error::BadHandshake
        | Error::OutOfOrder
        | Error::BadCompression
        | Error::NotUtf8 { .. }
        | Error::UnknownCommand { .. }
        | Error::Disconnected { .. }
        | Error::NotAView { .. }
        | Error::DuplicateColumn { .. }
        | Error::UnreadableFile { .. }
        | Error::UnknownFormat { .. }
        | Error::NoFiles { .. }
        | Error::Query { .. }
        | Error::NotATable { .. }
        | Error::NoColumns
        | Error::CantDropTable { .. }
        | Error::ColumnValue { .. }
        | Error::ColumnCount { .. }
        | Error::NoDefault { .. }
        | Error::LoadFailed { .. }
        | Error::OutOfMemory { .. }
        | Error::BadRequest { .. } => StatusCode::BAD_REQUEST,
        Error::AccessDenied { .. } => StatusCode::UNAUTHORIZED,
        Error::UrlNotAllowed { .. }
        | Error::ProtectedDatabase { .. }
        | Error::InsecureTransport
        | Error::PrivilegeNeeded { .. }
        | Error::NotTheOwner { .. }
        | Error::StageDenied { .. }
        | Error::TableDenied { .. }
        | Error::ConnectionDenied { .. }
        | Error::BadLink { .. } => StatusCode::FORBIDDEN,
        Error::UnknownStage { .. }
        | Error::UnknownDatabase { .. }
        | Error::UnknownTable { .. }
        | Error::UnknownObject { .. }
        | Error::UnknownView { .. }
        | Error::UnlistedTable { .. }
        | Error::CantDropDatabase { .. }
        | Error::UnknownRoutine { .. }
        | Error::UnknownTrigger
        | Error::UnknownEvent { .. }
        | Error::UnknownConnection { .. }
        | Error::NoSuchGrant { .. }
        | Error::UnknownFile { .. } => StatusCode::NOT_FOUND,
        Error::StageExists { .. }
        | Error::DatabaseExists { .. }
        | Error::FileExists { .. }
        | Error::Collision { .. }
        | Error::TableExists { .. }
        | Error::ObjectExists { .. }
        | Error::ObjectInUse { .. }
        | Error::FileChanged { .. }
        | Error::Conflict { .. } => StatusCode::CONFLICT,
        Error::PacketTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Error::LimitReached { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::QuotaExceeded { .. } => StatusCode::INSUFFICIENT_STORAGE,
        Error::Storage { kind, .. } => match kind {
            StorageKind::Denied | StorageKind::Expired => StatusCode::FORBIDDEN,
            StorageKind::Full => StatusCode::INSUFFICIENT_STORAGE,
            StorageKind::NotADirectory => StatusCode::CONFLICT,
            StorageKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            StorageKind::Unsupported => StatusCode::BAD_REQUEST,
            StorageKind::NotFound
            | StorageKind::Clock
            | StorageKind::Failed
            | StorageKind::Unknown => StatusCode::BAD_GATEWAY,
        },
        Error::IdleTimeout | Error::ReadTimeout => StatusCode::REQUEST_TIMEOUT,
        Error::Shutdown | Error::TooManyConnections | Error::NoTurn { .. } => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Error::CatalogDamaged { .. } | Error::Startup { .. } | Error::Internal { .. } => {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}
