//! The `stagewire` command: command line to configuration, then serve until told to stop.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use stagewire::client;
use stagewire::config::{Config, Overrides, Secret};
use stagewire::error::{Error, Result};
use stagewire::instance::Instance;
use stagewire::spans::{self, Sender};
use stagewire::{http, metrics, server, tls};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Named stages for files on any storage, for every MySQL client.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve MySQL and HTTP clients until SIGTERM or ctrl-c
    Serve(Serve),
    Put(client::put::Put),
    Get(client::get::Get),
    Ls(client::ls::Ls),
    Rm(client::rm::Rm),
}

#[derive(Args)]
struct Serve {
    /// Where MySQL clients connect; port 0 picks a free one [default: 127.0.0.1:3307]
    #[arg(long, env = "STAGEWIRE_MYSQL_ADDR")]
    mysql_addr: Option<SocketAddr>,
    /// Where HTTP clients connect; port 0 picks a free one [default: 127.0.0.1:8000]
    #[arg(long, env = "STAGEWIRE_HTTP_ADDR")]
    http_addr: Option<SocketAddr>,
    /// The server's own directory [default: ./stagewire-data]
    #[arg(long, env = "STAGEWIRE_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The certificate, in PEM [default: one that is made on the first start]
    #[arg(long, env = "STAGEWIRE_TLS_CERT")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key, in PEM
    #[arg(long, env = "STAGEWIRE_TLS_KEY")]
    tls_key: Option<PathBuf>,
    /// Refuse connections that are not encrypted [default: false]
    #[arg(
        long,
        env = "STAGEWIRE_REQUIRE_SECURE_TRANSPORT",
        num_args = 0..=1,
        default_missing_value = "true"
    )]
    require_secure_transport: Option<bool>,
    /// Where spans are sent by OTLP, such as http://localhost:4318 [default: nowhere]
    #[arg(long, env = "STAGEWIRE_OTLP_ENDPOINT")]
    otlp_endpoint: Option<String>,
    /// A TOML file with everything else
    #[arg(long, env = "STAGEWIRE_CONFIG")]
    config: Option<PathBuf>,
    // No options, for a command line is seen by everybody on the machine.
    #[arg(
        env = "STAGEWIRE_ROOT_PASSWORD",
        hide = true,
        hide_env_values = true,
        long = "root-password"
    )]
    root_password: Option<String>,
    #[arg(env = "STAGEWIRE_SECRET_KEY", hide = true, hide_env_values = true, long = "secret-key")]
    secret_key: Option<String>,
}

/// How long the end of the server waits for a storage.
const SETTLE: Duration = Duration::from_secs(10);

/// How long the end of a client's command waits for its tasks to be dropped.
const DROP_TIME: Duration = Duration::from_millis(500);

/// What a shell expects of a program that ctrl-c has ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    tls::choose_provider();
    match CommandLine::parse().command {
        Command::Serve(options) => match run(options) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&error, error.hint()),
        },
        Command::Put(put) => companion(async move { put.run().await }),
        Command::Get(get) => companion(async move { get.run().await }),
        Command::Ls(ls) => companion(async move { ls.run().await }),
        Command::Rm(rm) => companion(async move { rm.run().await }),
    }
}

/// The whole of an error: nothing cuts a terminal at 500 bytes.
fn complain(error: &dyn std::error::Error, hint: Option<String>) -> ExitCode {
    let hint = hint.map(|hint| format!("\n  hint: {hint}")).unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "stagewire: {error}{hint}");
    ExitCode::FAILURE
}

/// Runs a client's command. Success is that every file has arrived.
fn companion(command: impl Future<Output = client::Result<bool>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error, None),
    };
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        if let Err(error) = stop_on_signals(&stop) {
            return complain(&error, error.hint());
        }
        tokio::select! {
            result = command => match result {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(failure) => complain(&failure, failure.hint.clone()),
            },
            () = stop.cancelled() => ExitCode::from(INTERRUPTED),
        }
    });
    // Transfers that were cut off are undone as they are dropped; whoever still waits for a pipe
    // is not waited for.
    runtime.shutdown_timeout(DROP_TIME);
    ended
}

/// For the deepest expression that a statement may have, also in a build without optimization. Only what
/// is used of it takes memory.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn start_log(sender: Option<&Sender>) {
    let wanted =
        EnvFilter::try_from_env("STAGEWIRE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry();
    match sender {
        // What nobody wants is made by nobody.
        None => registry.with(wanted).with(filter_fn(may_be_logged)).with(lines()).init(),
        Some(sender) => registry
            .with(lines().with_filter(wanted.and(filter_fn(may_be_logged))))
            .with(sender.layer().with_filter(filter_fn(spans::is_one)))
            .init(),
    }
}

/// What writes the log.
fn lines<S>() -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fmt::layer().with_ansi(std::io::stderr().is_terminal()).with_writer(std::io::stderr)
}

/// Libraries that print credentials or whole statements when asked for their debug messages.
const INDISCREET: &[&str] = &["reqsign", "sqlparser"];

/// Whatever `STAGEWIRE_LOG` asks for.
fn may_be_logged(message: &Metadata<'_>) -> bool {
    let discreet = *message.level() <= Level::INFO
        || INDISCREET.iter().all(|library| !message.target().starts_with(library));
    discreet && !spans::is_one(message)
}

fn run(options: Serve) -> Result<()> {
    let overrides = Overrides {
        mysql_addr: options.mysql_addr,
        http_addr: options.http_addr,
        data_dir: options.data_dir,
        root_password: options.root_password.map(Secret::new),
        secret_key: options.secret_key.map(Secret::new),
        tls_cert: options.tls_cert,
        tls_key: options.tls_key,
        require_secure_transport: options.require_secure_transport,
        otlp_endpoint: options.otlp_endpoint,
    };
    let config = Config::load(options.config.as_deref(), overrides)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK_BYTES)
        .build();
    let runtime = runtime.map_err(|error| startup(format!("Can't start threads: {error}")))?;
    let sender = Sender::open(&config.otlp, runtime.handle())?;
    start_log(sender.as_ref());
    let served = runtime.block_on(serve(config));
    // While the runtime still has its threads: they send.
    if let Some(sender) = sender {
        sender.end();
    }
    served
}

/// As many files and connections as the system allows: by default it allows more than it gives.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            tracing::info!(%error, ?current, "the limit of open files stays");
        }
    }
}

async fn serve(mut config: Config) -> Result<()> {
    metrics::install();
    raise_file_limit();
    let (mysql, mysql_addr) = listen(config.mysql_addr, "--mysql-addr").await?;
    let (web, http_addr) = listen(config.http_addr, "--http-addr").await?;
    (config.mysql_addr, config.http_addr) = (mysql_addr, http_addr);
    let instance = Instance::open(config).await?;
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    let mut out = std::io::stdout();
    writeln!(out, "stagewire ready mysql={mysql_addr} http={http_addr}")
        .and_then(|()| out.flush())
        .map_err(|error| startup(format!("Can't write to standard output: {error}")))?;
    // HTTP is there to the end: it tells that the server is draining.
    let over = CancellationToken::new();
    let mysql = async {
        let _over = over.clone().drop_guard();
        server::serve(mysql, instance.clone(), stop.clone()).await;
    };
    tokio::join!(mysql, http::serve(web, instance.clone(), stop.clone(), over.clone()));
    // Uploads that were cut off are undone, unless a storage hangs.
    if tokio::time::timeout(SETTLE, instance.stages.settle()).await.is_err() {
        tracing::warn!("some uploads that were cut off could not be undone in time");
    }
    Ok(())
}

async fn listen(addr: SocketAddr, option: &str) -> Result<(TcpListener, SocketAddr)> {
    let listening = async {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        std::io::Result::Ok((listener, addr))
    };
    listening.await.map_err(|error| Error::Startup {
        what: format!("Can't listen on {addr}: {error}"),
        hint: format!("choose another address by {option}; port 0 picks a free one"),
    })
}

fn stop_on_signals(stop: &CancellationToken) -> Result<()> {
    let signals = signal(SignalKind::terminate())
        .and_then(|term| signal(SignalKind::interrupt()).map(|interrupt| (term, interrupt)));
    let (mut term, mut interrupt) =
        signals.map_err(|error| startup(format!("Can't wait for signals: {error}")))?;
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stop.cancel();
    });
    Ok(())
}

fn startup(what: String) -> Error {
    Error::Startup { what, hint: "see the message of the operating system".to_owned() }
}
