//! What each client takes behind an upload: how it can be asked for several files, and how it is
//! told what became of them. Every row was found by experiment with the real client; the names are
//! those of the connection attribute `_client_name`.

use crate::session::Peer;

/// How a client can be asked for more than one file in a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Several {
    /// The next request comes in the place of the answer to the last file.
    Direct,
    /// Each file is answered by an OK that announces another result, then comes the next request.
    Chained,
    /// Not at all.
    OneOnly,
}

/// How this client can be asked for several files.
///
/// `libmariadb` must never be chained: from the second file on it keeps failures to itself. Behind
/// an upload PHP's mysqlnd does not look whether there is more, and the two MariaDB connectors
/// compare each name with the beginning of the statement.
pub fn several(peer: &Peer) -> Several {
    match attribute(peer, "_client_name") {
        Some("libmysql" | "libmariadb" | "MySqlConnector") => Several::Direct,
        Some("mysqlnd" | "MariaDB connector/Node" | "MariaDB Connector/J" | "asyncmy") => {
            Several::OneOnly
        }
        Some(_) | None => Several::Chained,
    }
}

/// Whether the client takes rows in the place of the OK behind an upload. All others lose the
/// connection or the order of answers.
///
/// MariaDB's ODBC driver is `libmariadb` too, but takes rows from `SELECT` and `SHOW` alone: with
/// rows behind an upload its next statement fails (error 2014). Newer ones call themselves `maodbc`
/// besides; 3.1 has only this to tell it from the command line tools, that it names no program.
pub fn takes_rows(peer: &Peer) -> bool {
    match attribute(peer, "_client_name") {
        Some("libmariadb") => {
            attribute(peer, "program_name").is_some()
                && attribute(peer, "_client_name2") != Some("maodbc")
        }
        Some("libmysql" | "MySqlConnector" | "MariaDB Connector/J") => true,
        Some(_) | None => false,
    }
}

fn attribute<'a>(peer: &'a Peer, name: &str) -> Option<&'a str> {
    peer.attributes.get(name).map(String::as_str)
}
