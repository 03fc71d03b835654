//! Stagewire: named stages for files on any storage, for every MySQL client.
//!
//! # The life of a statement
//!
//! What happens to `LIST @lake/2024/ PATTERN='.*[.]csv'`:
//!
//! 1. **Bytes to packet.** [`server`]'s gate reads one whole packet from the socket; `opensrv_mysql`
//!    runs the loop of commands; the shim hands the text on and decides nothing.
//! 2. **Text to statement.** [`statement::Statement::parse`] masks locations ([`sql::scan`]), splits
//!    the text into tokens ([`sql::cursor`]) and picks `list::parse` from its table. Syntax only.
//! 3. **Statement to work.** [`session::Session::execute`] starts the clock, runs it, logs it masked.
//! 4. **Work to storage.** [`stage::Stages`] finds the stage; [`stage::files::Files`] lists it, page
//!    by page.
//! 5. **Rows to packets.** [`rows::Outcome`] goes to the server's one writer of answers: columns
//!    first, rows as they come, a failure half-way as an error packet.
//!
//! # Who knows whom
//!
//! `main → { server, http } → session → statement → { sql, access, transfer, query, schema, formats } → stage → rows`, and
//! [`error`] for all; `query` compresses by `transfer`. No arrow turns back: a stage never sees SQL, a statement never
//! sees a socket.
//! [`client`] is the other end of the wire: it uses [`sql`]'s quoting and [`transfer`]'s names alone.
//! [`tls`] and [`compressed`] know nobody; `server` and `http` encrypt by the one, `server` compresses
//! by the other.

pub mod access;
pub mod client;
pub mod compressed;
pub mod config;
pub mod counted;
pub mod error;
pub mod exchange;
pub mod formats;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod http;
pub mod instance;
pub mod metrics;
pub mod processes;
pub mod query;
pub mod rows;
pub mod schema;
pub mod server;
pub mod session;
pub mod similar;
pub mod spans;
pub mod sql;
pub mod stage;
pub mod statement;
pub mod tls;
pub mod transfer;
