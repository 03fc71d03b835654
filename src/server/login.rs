//! Who the client is: methods of proof, and the switch from one to the other. Source: the manual's
//! pages "Authentication Methods" and "Caching_sha2_password information".
//!
//! The greeting offers `mysql_native_password`, which every client knows. A client that would rather
//! use `caching_sha2_password` may, with two limits: its full exchange needs the password in clear,
//! so it takes place in encrypted connections alone; and where the short one is not enough in
//! another, the client is asked for the native proof.

use std::net::IpAddr;

use bytes::BufMut;

use super::gate::{GateHandle, Stream};
use super::handshake::{self, HandshakeResponse, NATIVE_PASSWORD, SALT, SHA2_PASSWORD};
use crate::access::audit;
use crate::access::people::Identity;
use crate::access::{Account, REFUSAL_DELAY, SHA2_PROOF};
use crate::error::Error;

/// Behind the header of "more data": the proof was right, or the password itself is needed.
const FAST_PROOF_IS_RIGHT: u8 = 0x03;
const SEND_PASSWORD: u8 = 0x04;

/// How a client proves that it has the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Native,
    Sha2,
    /// One that this server doesn't have.
    Other,
}

impl Method {
    fn of(name: &str) -> Method {
        match name {
            NATIVE_PASSWORD => Method::Native,
            SHA2_PASSWORD => Method::Sha2,
            _ => Method::Other,
        }
    }
}

/// One attempt to log in.
pub(super) struct LogIn<'c, S> {
    gate: &'c GateHandle<S>,
    account: Account<'c>,
    ip: IpAddr,
    user: &'c str,
    method: Method,
    proof: Vec<u8>,
    /// What the proof is for.
    salt: [u8; SALT],
    secure: bool,
    /// What the audit log calls it.
    what: &'static str,
}

impl<'c, S: Stream> LogIn<'c, S> {
    /// By what the client has said, for the challenge `salt`.
    pub(super) fn new(
        gate: &'c GateHandle<S>,
        account: Account<'c>,
        ip: IpAddr,
        client: &'c HandshakeResponse,
        salt: [u8; SALT],
    ) -> LogIn<'c, S> {
        LogIn {
            gate,
            account,
            ip,
            user: &client.user,
            method: Method::of(&client.plugin),
            proof: client.auth_response.clone(),
            salt,
            secure: gate.cipher().is_some(),
            what: "log-in",
        }
    }

    /// Who the client is. If it isn't who it says, it has been told, or is gone.
    pub(super) async fn run(mut self) -> Option<Identity> {
        let fits = match self.method {
            Method::Native => true,
            // An empty one may only mean that the greeting's challenge is for another method.
            Method::Sha2 if self.secure => !self.proof.is_empty(),
            Method::Sha2 => self.has_fast_proof(),
            Method::Other => false,
        };
        if fits || self.switch().await { self.decide().await } else { None }
    }

    /// The same for COM_CHANGE_USER, where clients differ in what challenge they answer.
    pub(super) async fn run_again(mut self) -> Option<Identity> {
        self.what = "COM_CHANGE_USER";
        let fits = match self.method {
            Method::Native => self.has_native_proof(),
            Method::Sha2 => self.has_fast_proof(),
            Method::Other => false,
        };
        if fits || self.switch().await { self.decide().await } else { None }
    }

    /// Asks for a proof for a new challenge; `false` if none comes.
    async fn switch(&mut self) -> bool {
        let (method, name) = match self.method {
            Method::Sha2 if self.secure => (Method::Sha2, SHA2_PASSWORD),
            Method::Native | Method::Sha2 | Method::Other => (Method::Native, NATIVE_PASSWORD),
        };
        let Ok(salt) = handshake::salt() else {
            self.gate.refuse(&Error::Internal { what: "no random numbers".to_owned() });
            return false;
        };
        (self.method, self.salt) = (method, salt);
        self.gate.packet(|out| handshake::put_auth_switch(out, name, &salt));
        match self.gate.next_of_log_in().await {
            Some(proof) => {
                self.proof = proof.to_vec();
                true
            }
            None => false,
        }
    }

    async fn decide(mut self) -> Option<Identity> {
        let right = match self.method {
            Method::Native => self.has_native_proof(),
            Method::Sha2 => match self.has_sha2_proof().await {
                Some(right) => right,
                None => return None,
            },
            Method::Other => false,
        };
        if !right {
            self.deny().await;
            return None;
        }
        self.gate.welcome(self.welcome());
        audit::record(self.user, self.ip, self.what, true, &Ok(()));
        Some(self.account.identity())
    }

    fn has_native_proof(&self) -> bool {
        self.account.verify_native(self.ip, &self.salt, &self.proof)
    }

    fn has_fast_proof(&self) -> bool {
        self.account.verify_sha2(&self.salt, &self.proof)
    }

    /// Whether there is no password to prove: some clients say so by a NUL.
    fn says_nothing(&self) -> bool {
        matches!(self.proof.as_slice(), [] | [0])
    }

    /// `None` if the client has gone away.
    async fn has_sha2_proof(&mut self) -> Option<bool> {
        if self.says_nothing() {
            return Some(self.account.verify_clear(self.ip, ""));
        }
        if self.has_fast_proof() {
            self.more_data(FAST_PROOF_IS_RIGHT);
            return Some(true);
        }
        if !self.secure || self.proof.len() != SHA2_PROOF {
            return Some(false);
        }
        self.more_data(SEND_PASSWORD);
        let sent = self.gate.next_of_log_in().await?;
        let password = sent.strip_suffix(b"\0").unwrap_or(&sent);
        let password = str::from_utf8(password).ok();
        Some(password.is_some_and(|password| self.account.verify_clear(self.ip, password)))
    }

    fn more_data(&self, what: u8) {
        self.gate.packet(|out| out.put_slice(&[0x01, what]));
    }

    /// What the OK says. Clients of MariaDB that can't verify the certificate want to see that its
    /// owner knows the password, so that nobody sits between.
    fn welcome(&self) -> String {
        if self.method != Method::Native || !self.secure {
            return String::new();
        }
        let proof = self.account.prove_server(&self.salt, &self.gate.fingerprint());
        proof.map(|proof| format!("\u{1}{proof}")).unwrap_or_default()
    }

    /// An unknown user is told the same as one with a wrong password.
    async fn deny(&self) {
        let error = Error::AccessDenied {
            user: self.user.to_owned(),
            host: self.ip.to_string(),
            with_password: !self.says_nothing(),
        };
        tracing::info!("{error}");
        tokio::time::sleep(REFUSAL_DELAY).await;
        self.gate.refuse(&error);
        audit::record::<()>(self.user, self.ip, self.what, true, &Err(error));
    }
}
