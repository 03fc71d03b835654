//! What client and server can do, as bits. Source: the manual's page "Capabilities Flags".

use std::ops::BitOr;

use crate::config::Algorithm;

/// A set of capabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Capabilities(pub(super) u32);

impl Capabilities {
    pub(super) const LONG_PASSWORD: Capabilities = Capabilities(1);
    pub(super) const FOUND_ROWS: Capabilities = Capabilities(1 << 1);
    pub(super) const LONG_FLAG: Capabilities = Capabilities(1 << 2);
    pub(super) const CONNECT_WITH_DB: Capabilities = Capabilities(1 << 3);
    pub(super) const COMPRESS: Capabilities = Capabilities(1 << 5);
    pub(super) const LOCAL_FILES: Capabilities = Capabilities(1 << 7);
    pub(super) const PROTOCOL_41: Capabilities = Capabilities(1 << 9);
    pub(super) const SSL: Capabilities = Capabilities(1 << 11);
    pub(super) const TRANSACTIONS: Capabilities = Capabilities(1 << 13);
    pub(super) const SECURE_CONNECTION: Capabilities = Capabilities(1 << 15);
    pub(super) const MULTI_STATEMENTS: Capabilities = Capabilities(1 << 16);
    pub(super) const MULTI_RESULTS: Capabilities = Capabilities(1 << 17);
    pub(super) const PS_MULTI_RESULTS: Capabilities = Capabilities(1 << 18);
    pub(super) const PLUGIN_AUTH: Capabilities = Capabilities(1 << 19);
    pub(super) const CONNECT_ATTRS: Capabilities = Capabilities(1 << 20);
    pub(super) const PLUGIN_AUTH_LENENC_CLIENT_DATA: Capabilities = Capabilities(1 << 21);
    pub(super) const SESSION_TRACK: Capabilities = Capabilities(1 << 23);
    pub(super) const DEPRECATE_EOF: Capabilities = Capabilities(1 << 24);

    /// Compression by zstd; the level stands at the end of the log-in.
    pub(super) const ZSTD: Capabilities = Capabilities(1 << 26);

    /// The client shows how far a statement is. Not offered: in MySQL's greeting this bit is kept for
    /// something else. MariaDB's client says it to every server.
    pub(super) const PROGRESS: Capabilities = Capabilities(1 << 29);

    /// What this server offers in any case; SSL comes with a certificate, and compression where the
    /// configuration allows it. Not QUERY_ATTRIBUTES, which would change the form of COM_QUERY. Connector/J needs MULTI_RESULTS for uploads, and mysql2
    /// reads the info of an OK packet right with SESSION_TRACK only.
    pub(super) const SERVER: Capabilities = Capabilities(
        Self::LONG_PASSWORD.0
            | Self::FOUND_ROWS.0
            | Self::LONG_FLAG.0
            | Self::CONNECT_WITH_DB.0
            | Self::LOCAL_FILES.0
            | Self::PROTOCOL_41.0
            | Self::TRANSACTIONS.0
            | Self::SECURE_CONNECTION.0
            | Self::MULTI_STATEMENTS.0
            | Self::MULTI_RESULTS.0
            | Self::PS_MULTI_RESULTS.0
            | Self::PLUGIN_AUTH.0
            | Self::CONNECT_ATTRS.0
            | Self::PLUGIN_AUTH_LENENC_CLIENT_DATA.0
            | Self::SESSION_TRACK.0
            | Self::DEPRECATE_EOF.0,
    );

    /// Compression in these ways.
    pub(super) fn compression(algorithms: &[Algorithm]) -> Capabilities {
        algorithms.iter().fold(Capabilities::default(), |all, algorithm| {
            all | match algorithm {
                Algorithm::Zlib => Self::COMPRESS,
                Algorithm::Zstd => Self::ZSTD,
            }
        })
    }

    /// Whether all of `others` are in here.
    pub(super) fn has(self, others: Capabilities) -> bool {
        self.0 & others.0 == others.0
    }

    /// What both sides can do.
    pub(super) fn common(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 & other.0)
    }
}

impl BitOr for Capabilities {
    type Output = Capabilities;

    fn bitor(self, other: Capabilities) -> Capabilities {
        Capabilities(self.0 | other.0)
    }
}
