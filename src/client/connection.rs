//! The way to the server. Alone in naming `mysql_async`.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{BoxStream, Stream, StreamExt};
use mysql_async::prelude::{FromValue, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder, Row};

use super::{Common, Failure, Result, as_option};

/// How long a server may take to greet.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// A peer that is gone without a word is noticed after some of these.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// What the server sends in one packet at most: far above a row of `GET`.
const MAX_PACKET: usize = 64 << 20;

/// What is tried before a lost connection is told as one: with doubled waits some six seconds.
const ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// Server errors that another attempt may not meet: too many connections, shutdown.
const PASSING: &[u16] = &[1040, 1053];

/// The contents of a file, as the driver sends them.
pub type Contents = BoxStream<'static, std::io::Result<Bytes>>;

/// Where the server is and who asks.
#[derive(Debug, Clone)]
pub struct Server {
    options: Opts,
}

impl Server {
    /// The server that the command line names.
    pub fn of(common: &Common) -> Result<Server> {
        let mut server = Server::new(&common.dsn)?;
        if let Some(ca) = &common.tls_ca {
            let ssl = server.options.ssl_opts().cloned().unwrap_or_default();
            let ssl = ssl.with_root_certs(vec![ca.clone().into()]);
            let ssl = ssl.with_disable_built_in_roots(true);
            server.options = OptsBuilder::from_opts(server.options).ssl_opts(ssl).into();
        }
        Ok(server)
    }

    /// Reads a `mysql://` URL.
    fn new(dsn: &str) -> Result<Server> {
        let options = Opts::from_url(dsn).map_err(|error| {
            // The URL holds a password: it is not repeated.
            Failure::hinting(
                format!("The DSN can't be read: {error}"),
                "it is written mysql://user:password@host:3307",
            )
        })?;
        let mut attributes: HashMap<String, String> =
            options.connect_attributes().cloned().unwrap_or_default();
        attributes.entry("program_name".to_owned()).or_insert_with(|| "stagewire".to_owned());
        // With these three the driver asks for nothing before the first statement.
        let options = OptsBuilder::from_opts(options)
            .prefer_socket(false)
            .max_allowed_packet(Some(MAX_PACKET))
            .wait_timeout(Some(28_800))
            .tcp_keepalive(Some(KEEPALIVE))
            .connect_attributes(attributes);
        Ok(Server { options: options.into() })
    }

    /// A connection.
    pub async fn connect(&self) -> Result<Connection> {
        let place = || format!("{}:{}", self.options.ip_or_hostname(), self.options.tcp_port());
        match tokio::time::timeout(CONNECT_TIMEOUT, Conn::new(self.options.clone())).await {
            Ok(Ok(conn)) => Ok(Connection { conn }),
            Ok(Err(error)) => {
                let mut failure = failure(error);
                if failure.lost && failure.hint.is_none() {
                    failure.what = format!("Can't connect to {}: {}", place(), failure.what);
                    failure.hint = Some("--dsn or STAGEWIRE_DSN says where the server is".into());
                }
                Err(failure)
            }
            Err(_) => Err(Failure {
                what: format!("Can't connect to {}: no answer in time", place()),
                hint: Some("--dsn or STAGEWIRE_DSN says where the server is".to_owned()),
                lost: true,
            }),
        }
    }
}

/// One connection. Dropped in the middle of a statement, it is closed, and the server undoes what
/// it was about to store.
pub struct Connection {
    conn: Conn,
}

impl Connection {
    /// Runs a statement that may ask for one file, and gives the text of its OK. `contents` is
    /// only awaited if the server asks, whatever name it asks for.
    pub async fn upload(
        &mut self,
        sql: &str,
        contents: impl Future<Output = std::io::Result<Contents>> + Send + Sync + 'static,
    ) -> Result<String> {
        self.conn.set_infile_handler(async move {
            contents.await.map_err(|error| mysql_async::LocalInfileError::from(error).into())
        });
        self.conn.query_drop(sql).await.map_err(failure)?;
        Ok(self.conn.info().into_owned())
    }

    /// The rows of a statement, as they come.
    pub async fn rows(&mut self, sql: String) -> Result<impl Stream<Item = Result<Values>> + '_> {
        let rows = self.conn.query_stream::<Row, _>(sql).await.map_err(failure)?;
        Ok(rows.map(|row| row.map(Values).map_err(failure)))
    }

    /// Says good-bye. Whoever doesn't, is not waited for.
    pub async fn close(self) {
        let _ = self.conn.disconnect().await;
    }
}

/// One row.
pub struct Values(Row);

impl Values {
    /// Takes the value of a column; `None` for `NULL`.
    pub fn take<T: FromValue>(&mut self, column: &str) -> Result<Option<T>> {
        match self.0.take_opt::<Option<T>, _>(column) {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) => Err(Failure::new(format!("The server's '{column}' can't be read"))),
            None => Err(Failure::hinting(
                format!("The server's answer has no column '{column}'"),
                "is it a Stagewire server?",
            )),
        }
    }

    /// The same, where `NULL` is none of the answers.
    pub fn need<T: FromValue>(&mut self, column: &str) -> Result<T> {
        self.take(column)?.ok_or_else(|| Failure::new(format!("The server's '{column}' is NULL")))
    }
}

fn failure(error: mysql_async::Error) -> Failure {
    use mysql_async::{DriverError, Error, IoError};
    match error {
        Error::Server(error) => {
            let (what, hint) = split_hint(&error.message);
            let hint = hint.as_deref().map(as_option);
            Failure { what, hint, lost: PASSING.contains(&error.code) }
        }
        // Of the file, not of the connection.
        Error::Driver(DriverError::LocalInfile(error)) => Failure::new(error.to_string()),
        Error::Io(IoError::Tls(error)) => tls_failure(&error),
        // What rustls says of a certificate that it doesn't trust.
        Error::Io(IoError::Io(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            tls_failure(&error)
        }
        Error::Io(IoError::Io(error)) => {
            Failure { what: format!("Lost connection: {error}"), hint: None, lost: true }
        }
        Error::Driver(DriverError::ConnectionClosed) => {
            Failure { what: "Lost connection".to_owned(), hint: None, lost: true }
        }
        Error::Driver(error) => Failure::new(error.to_string()),
        Error::Other(error) => Failure::new(error.to_string()),
        Error::Url(error) => Failure::new(error.to_string()),
    }
}

fn tls_failure(error: &dyn std::error::Error) -> Failure {
    Failure::hinting(
        format!("TLS has failed: {error}"),
        "--tls-ca trusts a certificate, such as the server's own tls-cert.pem; \
         ?require_ssl=true&verify_ca=false in the DSN trusts any",
    )
}

/// A server's message has its hint at the end.
fn split_hint(message: &str) -> (String, Option<String>) {
    match message.rsplit_once(" Hint: ") {
        Some((what, hint)) => {
            (what.strip_suffix('.').unwrap_or(what).to_owned(), Some(hint.to_owned()))
        }
        None => (message.to_owned(), None),
    }
}

/// The connections of one worker: the one that is open is used again.
pub struct Link {
    server: Server,
    open: Option<Connection>,
}

impl Link {
    /// Connects when it is used.
    pub fn new(server: &Server) -> Link {
        Link { server: server.clone(), open: None }
    }

    /// A connection. Whoever has failed with it doesn't give it back: it may be in the middle of
    /// something.
    pub async fn take(&mut self) -> Result<Connection> {
        match self.open.take() {
            Some(connection) => Ok(connection),
            None => self.server.connect().await,
        }
    }

    /// For the next one.
    pub fn give_back(&mut self, connection: Connection) {
        self.open = Some(connection);
    }

    /// Says good-bye.
    pub async fn close(self) {
        if let Some(connection) = self.open {
            connection.close().await;
        }
    }
}

/// How often a lost connection is replaced, and after how long.
pub struct Patience {
    left: u32,
    wait: Duration,
}

impl Patience {
    /// At its beginning.
    pub fn new() -> Patience {
        Patience { left: ATTEMPTS - 1, wait: FIRST_WAIT }
    }

    /// Waits before another attempt; `false` if there is none.
    pub async fn has_more(&mut self) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        tokio::time::sleep(self.wait).await;
        self.wait *= 2;
        true
    }
}

impl Default for Patience {
    fn default() -> Patience {
        Patience::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_told_apart() {
        let (what, hint) = split_hint("Stage 'a' doesn't exist. Hint: did you mean 'b'?");
        assert_eq!(
            (what.as_str(), hint.as_deref()),
            ("Stage 'a' doesn't exist", Some("did you mean 'b'?"))
        );
        assert_eq!(split_hint("No"), ("No".to_owned(), None));
    }

    #[test]
    fn a_password_is_not_repeated() {
        let failure = Server::new("mysql://root:secret@[::1").expect_err("no URL");
        assert!(!failure.line().contains("secret"), "{failure}");
    }
}
