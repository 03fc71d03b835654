//! Who the client is: methods of proof, and the switch from one to the other. Source: the manual's
//! pages "Authentication Methods" and "Caching_sha2_password information".
//!
//! | the account's method | the client's | what follows |
//! | --- | --- | --- |
//! | `mysql_native_password` | the same | its proof is checked |
//! | | `caching_sha2_password` | the short proof; else, in encrypted connections, the password, and in others the native proof |
//! | `caching_sha2_password` | the same | the short proof; else the password: encrypted by TLS, or by RSA |
//! | | any other | a switch to `caching_sha2_password` |
//!
//! Any other method is switched to the account's. A name that nobody has is asked for what one that
//! somebody has would be.

use std::net::IpAddr;

use bytes::BufMut;

use super::gate::{GateHandle, Stream};
use super::handshake::{self, HandshakeResponse, NATIVE_PASSWORD, SALT, SHA2_PASSWORD};
use crate::access::audit;
use crate::access::people::Identity;
use crate::access::{Account, REFUSAL_DELAY, SHA2_PROOF};
use crate::config::Plugin;
use crate::error::{Error, Result};
use crate::exchange::Exchange;
use crate::metrics;

/// Behind the header of "more data": the proof was right, or the password itself is needed.
const FAST_PROOF_IS_RIGHT: u8 = 0x03;
const SEND_PASSWORD: u8 = 0x04;

/// In the place of a password: the client wants the public key.
const ASKS_FOR_KEY: u8 = 0x02;

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
    exchange: &'c Exchange,
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
        exchange: &'c Exchange,
        account: Account<'c>,
        ip: IpAddr,
        client: &'c HandshakeResponse,
        salt: [u8; SALT],
    ) -> LogIn<'c, S> {
        LogIn {
            gate,
            exchange,
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
        let fits = match (self.method, self.account.plugin()) {
            (Method::Native, Plugin::Native) => true,
            (Method::Sha2, Plugin::Native) if !self.secure => self.has_fast_proof(),
            // An empty one may only mean that the greeting's challenge is for another method.
            (Method::Sha2, _) => !self.proof.is_empty(),
            (Method::Native, Plugin::Sha2) | (Method::Other, _) => false,
        };
        if fits || self.switch().await { self.decide().await } else { None }
    }

    /// The same for COM_CHANGE_USER, where clients differ in what challenge they answer.
    pub(super) async fn run_again(mut self) -> Option<Identity> {
        self.what = "COM_CHANGE_USER";
        let fits = match self.method {
            // Never right for an account of the other method.
            Method::Native => self.has_native_proof(),
            Method::Sha2 => self.has_fast_proof(),
            Method::Other => false,
        };
        if fits || self.switch().await { self.decide().await } else { None }
    }

    /// Asks for a proof for a new challenge; `false` if none comes.
    async fn switch(&mut self) -> bool {
        let (method, name) = match (self.account.plugin(), self.method) {
            (Plugin::Sha2, _) => (Method::Sha2, SHA2_PASSWORD),
            (Plugin::Native, Method::Sha2) if self.secure => (Method::Sha2, SHA2_PASSWORD),
            (Plugin::Native, _) => (Method::Native, NATIVE_PASSWORD),
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
        metrics::log_in("mysql", "ok");
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
            return Some(self.account.verify_clear(self.ip, "").await);
        }
        if self.has_fast_proof() {
            self.more_data(&[FAST_PROOF_IS_RIGHT]);
            return Some(true);
        }
        if self.proof.len() != SHA2_PROOF {
            return Some(false);
        }
        self.more_data(&[SEND_PASSWORD]);
        let mut sent = self.gate.next_of_log_in().await?.to_vec();
        if !self.secure {
            sent = self.decrypt(sent).await?;
        }
        let password = sent.strip_suffix(b"\0").unwrap_or(&sent);
        // What is no password takes as long as a wrong one: nobody learns how far it got.
        let password = str::from_utf8(password).unwrap_or_default();
        Some(self.account.verify_clear(self.ip, password).await)
    }

    /// The password of a client that has encrypted it with our key, which it may ask for first. Nothing
    /// if it hasn't; `None` if it has gone away.
    async fn decrypt(&self, mut sent: Vec<u8>) -> Option<Vec<u8>> {
        if sent == [ASKS_FOR_KEY] {
            self.more_data(self.usable(self.exchange.public_key().await)?.as_bytes());
            sent = self.gate.next_of_log_in().await?.to_vec();
        }
        let mut clear = self.usable(self.exchange.decrypt(&sent).await)?.unwrap_or_default();
        clear.iter_mut().zip(self.salt.iter().cycle()).for_each(|(byte, salt)| *byte ^= salt);
        Some(clear)
    }

    /// Tells the client that the server has no key.
    fn usable<T>(&self, key: Result<T>) -> Option<T> {
        key.inspect_err(|error| {
            tracing::error!(%error, "a log-in failed");
            self.gate.refuse(error);
        })
        .ok()
    }

    fn more_data(&self, what: &[u8]) {
        self.gate.packet(|out| {
            out.put_u8(0x01);
            out.put_slice(what);
        });
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
        metrics::log_in("mysql", "denied");
        tracing::info!("{error}");
        tokio::time::sleep(REFUSAL_DELAY).await;
        self.gate.refuse(&error);
        audit::record::<()>(self.user, self.ip, self.what, true, &Err(error));
    }
}
