//! What opensrv calls: the verdict on a log-in, and one command at a time. Decides nothing that a
//! statement could decide.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use opensrv_mysql::{
    AsyncMysqlShim, InitWriter, ParamParser, QueryResultWriter, StatementMetaWriter,
};

use super::capability::Capabilities;
use super::command::{self, Command};
use super::connection::Connection;
use super::gate::{Stream, Writer};
use super::handshake::{HandshakeResponse, SALT};
use super::login::LogIn;
use super::reply::{Protocol, Reply};
use super::upload::Client;
use crate::access::people::Identity;
use crate::access::{ROOT, audit};
use crate::error::{Error, Result};
use crate::instance::SERVER_VERSION;
use crate::metrics;
use crate::rows::{Done, Outcome};
use crate::session::{Changes, Peer, Session};
use crate::spans;

/// Bytes of a text that are shown of what is not UTF-8.
const SHOWN_BYTES: usize = 6;

/// A connection, as opensrv sees it. Borrowed, so that the session outlives what opensrv does.
pub(super) struct Shim<'c, S>(pub(super) &'c mut Connection<S>);

#[async_trait]
impl<S: Stream> AsyncMysqlShim<Writer<S>> for Shim<'_, S> {
    type Error = io::Error;

    fn version(&self) -> String {
        SERVER_VERSION.to_owned()
    }

    fn default_auth_plugin(&self) -> &str {
        self.0.instance.config.default_authentication_plugin.name()
    }

    fn connect_id(&self) -> u32 {
        self.0.id
    }

    fn salt(&self) -> [u8; SALT] {
        self.0.salt
    }

    /// opensrv will write a refusal of its own, which the gate drops.
    async fn authenticate(&self, _plugin: &str, _user: &[u8], _salt: &[u8], _proof: &[u8]) -> bool {
        let client = self.0.gate.client();
        match self.0.log_in(&client).await {
            Some(attempt) => self.0.knows(attempt.run().await),
            None => false,
        }
    }

    /// Called once, between the log-in and its answer.
    async fn on_init<'a>(
        &'a mut self,
        _placeholder: &'a str,
        _writer: InitWriter<'a, Writer<S>>,
    ) -> io::Result<()> {
        self.0.begin_session().await
    }

    /// Called for every command; `_stub` is not what the client has sent.
    async fn on_query<'a>(
        &'a mut self,
        _stub: &'a str,
        _writer: QueryResultWriter<'a, Writer<S>>,
    ) -> io::Result<()> {
        self.0.answer().await?;
        if let Some(session) = &self.0.session {
            self.0.gate.set_idle(session.wait_timeout());
        }
        Ok(())
    }

    async fn on_prepare<'a>(
        &'a mut self,
        _query: &'a str,
        _info: StatementMetaWriter<'a, Writer<S>>,
    ) -> io::Result<()> {
        Err(never("COM_STMT_PREPARE"))
    }

    async fn on_execute<'a>(
        &'a mut self,
        _id: u32,
        _parameters: ParamParser<'a>,
        _writer: QueryResultWriter<'a, Writer<S>>,
    ) -> io::Result<()> {
        Err(never("COM_STMT_EXECUTE"))
    }

    async fn on_close<'a>(&'a mut self, _id: u32)
    where
        Writer<S>: 'async_trait,
    {
    }
}

/// The gate hands on nothing but queries.
fn never(command: &str) -> io::Error {
    io::Error::other(format!("{command} has passed the gate"))
}

impl<S: Stream> Connection<S> {
    /// `None` if nobody knows who there is; the client has been told.
    async fn log_in<'c>(&'c self, client: &'c HandshakeResponse) -> Option<LogIn<'c, S>> {
        if let Err(error) = self.place.may_log_in(client.user == ROOT) {
            self.gate.send_away(&error);
            return None;
        }
        match self.instance.account(&client.user).await {
            Ok(account) => {
                let exchange = &self.instance.exchange;
                Some(LogIn::new(&self.gate, exchange, account, self.ip, client, self.salt))
            }
            Err(error) => {
                tracing::error!(%error, detail = error.detail(), "a log-in failed");
                self.gate.refuse(&error);
                None
            }
        }
    }

    /// Remembers who it is; `false` if nobody is.
    fn knows(&self, who: Option<Identity>) -> bool {
        let known = who.is_some();
        *self.who.lock() = who;
        known
    }

    /// COM_CHANGE_USER. As with MySQL, one that fails is the connection's end.
    async fn change_user(&mut self, payload: &[u8]) -> io::Result<()> {
        let client = match self.gate.client().changed(payload) {
            Ok(client) => client,
            Err(error) => {
                self.gate.refuse(&error);
                return Ok(());
            }
        };
        let right = match self.log_in(&client).await {
            Some(attempt) => self.knows(attempt.run_again().await),
            None => false,
        };
        if !right {
            return Ok(());
        }
        if let Some(mut session) = self.session.take() {
            session.close().await;
        }
        self.statements.clear();
        self.gate.change_client(client);
        self.begin_session().await
    }

    async fn begin_session(&mut self) -> io::Result<()> {
        let Some(user) = self.who.lock().take() else { return Err(never("a log-in")) };
        let client = self.gate.client();
        let local_files = client.capabilities.has(Capabilities::LOCAL_FILES);
        self.several = client.capabilities.has(Capabilities::MULTI_STATEMENTS);
        let peer = Peer {
            connection_id: self.id,
            ip: self.ip,
            user,
            attributes: client.attributes,
            local_files,
            cipher: self.gate.cipher(),
            compression: client.compression,
        };
        let attributes = &peer.attributes;
        let cipher = peer.cipher.as_ref().map(|cipher| &cipher.suite);
        tracing::debug!(connection = self.id, user = %peer.user, ?attributes, cipher, "logged in");
        let user = peer.user.name.clone();
        spans::logged_in(&user);
        let begun = Session::begin(self.instance.clone(), peer, self.killed.clone()).await;
        let session = match begun {
            Ok(session) => self.session.insert(session),
            Err(error) => return self.refuse_log_in(&user, error).await,
        };
        if let Some(database) = client.database
            && let Err(error) = session.use_database(&database).await
        {
            return self.refuse_log_in(&user, error).await;
        }
        // The client knows what it has asked for.
        let _ = session.take_changes();
        Reply::new(&self.gate).ok(&Done { affected: 0, info: self.gate.take_welcome() });
        self.gate.admit();
        Ok(())
    }

    /// Who it is, is known; but he may not come in.
    async fn refuse_log_in(&self, user: &str, error: Error) -> io::Result<()> {
        metrics::log_in("mysql", "refused");
        tracing::info!(connection = self.id, %error, "a log-in was refused");
        self.gate.refuse(&error);
        audit::record::<()>(user, self.ip, "log-in", true, &Err(error));
        self.gate.flush().await
    }

    /// Runs the command that waits at the gate, and writes its answer. What seldom comes is on the heap, so that the
    /// future that is made for each command is small.
    async fn answer(&mut self) -> io::Result<()> {
        if self.killed.is_cancelled() {
            // A client that sends without pause would be read before the end of its connection is seen.
            return std::future::pending().await;
        }
        let Some(command) = self.gate.take_command() else { return Ok(()) };
        let Some(session) = &mut self.session else { return Err(never("a command")) };
        let reply = Reply::new(&self.gate).autocommit(session.autocommit());
        let done = match command {
            Command::Query(sql) => return self.query(sql).await,
            Command::Execute { id, parameters } => return self.execute(id, &parameters).await,
            Command::Prepare(sql) => return Box::pin(self.prepare(&sql)).await,
            Command::SendLongData { id, parameter, data } => {
                let limit = self.instance.config.limits.max_allowed_packet;
                self.statements.long_data(id, parameter, &data, limit);
                return Ok(());
            }
            Command::CloseStatement(id) => {
                self.statements.close(id);
                return Ok(());
            }
            Command::Statistics => {
                reply.text(&session.statistics());
                return Ok(());
            }
            // MYSQL_OPTION_MULTI_STATEMENTS_ON and _OFF: PHP switches it around its multi_query.
            Command::SetOption(option @ (0 | 1)) => {
                self.several = option == 0;
                reply.eof();
                return Ok(());
            }
            Command::ChangeUser(payload) => return Box::pin(self.change_user(&payload)).await,
            Command::Ping | Command::Quit => Ok(()),
            Command::InitDb(name) => match utf8(&name) {
                Ok(name) => Box::pin(session.use_database(name)).await,
                Err(error) => Err(error),
            },
            Command::ResetStatement(id) => self.statements.reset(id),
            Command::ResetConnection => {
                self.statements.clear();
                Box::pin(session.reset()).await
            }
            Command::FieldList(table) => {
                let columns = match utf8(&table) {
                    Ok(table) => Box::pin(session.table_columns(table)).await,
                    Err(error) => Err(error),
                };
                match columns {
                    Ok(columns) => reply.fields(&columns),
                    Err(error) => reply.err(&error),
                }
                return Ok(());
            }
            Command::Fetch(id) => Err(Error::UnknownPrepared { id }),
            Command::SetOption(option) => Err(unknown(&format!("COM_SET_OPTION {option}"))),
            Command::ProcessKill(id) => Box::pin(session.kill(u64::from(id), false)).await,
            Command::Unknown(byte) => Err(unknown(&command::name(byte))),
            Command::Malformed(error) => Err(error),
        };
        match done {
            // After it: COM_RESET_CONNECTION may have changed it.
            Ok(()) => {
                let changes = session.take_changes();
                reply.autocommit(session.autocommit()).changes(changes).ok(&Done::default());
            }
            Err(error) => reply.err(&error),
        }
        Ok(())
    }

    async fn query(&mut self, sql: Bytes) -> io::Result<()> {
        let Some(session) = &mut self.session else { return Err(never("a query")) };
        let mut rest = match utf8(&sql) {
            Ok(sql) => sql,
            Err(error) => {
                Reply::new(&self.gate).err(&error);
                return Ok(());
            }
        };
        loop {
            let mut statement = rest;
            rest = "";
            if self.several {
                (statement, rest) = session.split(statement);
            }
            let mut files = Client(self.gate.clone());
            let outcome = session.execute(statement, &mut files).await;
            files.finish().await?;
            if self.gate.declined() {
                return Ok(());
            }
            let reply = Reply::new(&self.gate);
            let reply = reply.autocommit(session.autocommit()).more(!rest.is_empty());
            let reply = reply.changes(changes(session, &outcome));
            if !reply.outcome(outcome, Protocol::Text).await? || rest.is_empty() {
                return Ok(());
            }
        }
    }

    async fn prepare(&mut self, sql: &[u8]) -> io::Result<()> {
        let Some(session) = &mut self.session else { return Err(never("a statement")) };
        let reply = Reply::new(&self.gate).autocommit(session.autocommit());
        let limit = self.instance.config.limits.max_allowed_packet;
        let prepared = match utf8(sql) {
            Ok(sql) => session.prepare(sql).await,
            Err(error) => Err(error),
        };
        let answered = prepared.map(Arc::new).and_then(|prepared| {
            let id = self.statements.insert(prepared.clone(), limit)?;
            reply.prepared(id, &prepared).inspect_err(|_| self.statements.close(id))
        });
        if let Err(error) = answered {
            reply.err(&error);
        }
        Ok(())
    }

    async fn execute(&mut self, id: u32, parameters: &[u8]) -> io::Result<()> {
        let Some(session) = &mut self.session else { return Err(never("a statement")) };
        let outcome: Result<Outcome> = match self.statements.execute(id, parameters) {
            Ok((prepared, values)) => session.execute_prepared(&prepared, values).await,
            Err(error) => Err(error),
        };
        let reply = Reply::new(&self.gate).autocommit(session.autocommit());
        let reply = reply.changes(changes(session, &outcome));
        reply.outcome(outcome, Protocol::Binary).await?;
        Ok(())
    }
}

/// What an OK tells of the session. Behind anything else it waits for the next OK.
fn changes(session: &mut Session, outcome: &Result<Outcome>) -> Changes {
    match outcome {
        Ok(Outcome::Done(_)) => session.take_changes(),
        Ok(Outcome::Rows { .. } | Outcome::Nothing) | Err(_) => Changes::default(),
    }
}

fn unknown(command: &str) -> Error {
    Error::UnknownCommand { command: command.to_owned() }
}

fn utf8(text: &[u8]) -> Result<&str> {
    str::from_utf8(text).map_err(|error| {
        let (_, wrong) = text.split_at_checked(error.valid_up_to()).unwrap_or_default();
        let bytes = wrong.iter().take(SHOWN_BYTES).map(|byte| format!("\\x{byte:02X}")).collect();
        Error::NotUtf8 { bytes }
    })
}
