//! The audit log: every log-in by SQL, and every statement and request that changes something or was
//! refused. Who, from where, what, and how it ended; passwords and keys are masked before they come
//! here.
//!
//! Its lines have the target `audit`, so that `STAGEWIRE_LOG` can keep them apart:
//! `STAGEWIRE_LOG=warn,audit=info`.

use std::net::IpAddr;

use crate::access::ROOT;
use crate::error::{Error, ObjectKind, Result};

/// Notes what somebody did, unless it was a look that succeeded or a mistake of his.
pub fn record<T>(user: &str, ip: IpAddr, what: &str, changes: bool, outcome: &Result<T>) {
    match outcome {
        Ok(_) if changes => tracing::info!(target: "audit", user, %ip, what, outcome = "done"),
        Ok(_) => {}
        Err(error) if is_refusal(user, error) => {
            let error = error.code().number;
            tracing::warn!(target: "audit", user, %ip, what, outcome = "refused", error);
        }
        Err(error) if changes => {
            let error = error.code().number;
            tracing::info!(target: "audit", user, %ip, what, outcome = "failed", error);
        }
        Err(_) => {}
    }
}

/// A stage or connection that is hidden from somebody is refused to him, for all that he can tell.
fn is_refusal(user: &str, error: &Error) -> bool {
    let connection = ObjectKind::Connection;
    let hidden = matches!(error, Error::UnknownStage { .. })
        || matches!(error, Error::UnknownObject { kind, .. } if *kind == connection);
    let hidden = hidden && user != ROOT;
    hidden
        || matches!(
            error,
            Error::StageDenied { .. }
                | Error::ConnectionDenied { .. }
                | Error::PrivilegeNeeded { .. }
                | Error::NotTheOwner { .. }
                | Error::AccessDenied { .. }
        )
}
