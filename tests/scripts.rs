//! Sessions as text: `tests/scripts/*`, each over real TCP, on every kind of storage that is there; and
//! `tests/replay/*`, what drivers and tools send on their own.
//!
//! A script is a list of commands, then `---`, then what they gave; `UPDATE_GOLDENFILES=1` records.
//!
//! - `> SQL` runs a statement; `!> SQL` must fail; `c2: > SQL` on a second connection.
//! - `c2: connect client=pymysql user=root password=x files=off` connects first, in another way.
//! - `c2: close`, `restart`
//! - `file /tmp/a.csv "content"`, `file /tmp/big size=1000`, `file /tmp/b "line\n" "end" repeat=9`: what the
//!   client has.
//! - `disk "a.csv" "content"`: a file that client and server both see, as `$DISK/a.csv` in SQL
//! - `prepare "SQL"`, `execute "SQL" value ...`
//! - `http PUT /path header=value ... file:a.csv="content"`
//!
//! `$EXTERNAL` in SQL is `URL='...'` with what the storage needs; `$URL` the URL alone, `$OPTIONS` what the storage
//! needs without parentheses.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use goldenscript::{Argument, Command, Context, Runner};
use regex::Regex;
use stagewire::config::{Config, Place, Secret};
use support::client::{Client, Options, Parameter, Refusal, Response, cap};
use support::http;
use support::server::{PASSWORD, Server, config};

/// Where the scripts run: internal files, external stages and, with S3, the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Storage {
    Fs,
    Memory,
    S3,
    Azblob,
}

#[test]
fn scripts_on_directories() {
    run_all(Storage::Fs);
}

#[test]
fn scripts_in_memory() {
    run_all(Storage::Memory);
}

#[test]
fn scripts_on_s3() {
    if is_given("STAGEWIRE_TEST_S3_ENDPOINT") {
        run_all(Storage::S3);
    }
}

#[test]
fn scripts_on_azblob() {
    if is_given("STAGEWIRE_TEST_AZBLOB_ENDPOINT") {
        run_all(Storage::Azblob);
    }
}

/// Whether there is a real server; where CI is set there must be one.
fn is_given(variable: &str) -> bool {
    let given = std::env::var_os(variable).is_some();
    if !given {
        assert!(std::env::var_os("CI").is_none(), "{variable} is not set");
        eprintln!("skipped: {variable} is not set (tests/run starts a server)");
    }
    given
}

/// Scripts of what only a server with the feature `query` can do.
const QUERIES: &[&str] = &[
    "copy_into_location",
    "copy_into_table",
    "create_table",
    "create_view",
    "optimize_table",
    "select_errors",
    "select_files",
    "select_json",
    "select_mysql",
    "select_options",
    "select_tables",
    "select_zones",
];

/// Scripts of what needs a storage with credentials.
const WITH_CREDENTIALS: &[&str] = &["connection_s3"];

fn run_all(storage: Storage) {
    let mut scripts: Vec<PathBuf> = ["tests/scripts", "tests/replay"]
        .iter()
        .flat_map(|dir| {
            let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
            std::fs::read_dir(dir).expect("scripts")
        })
        .map(|entry| entry.expect("an entry").path())
        .collect();
    scripts.sort();
    assert!(!scripts.is_empty());
    for script in scripts {
        // A restart forgets what is in memory, and nothing there has an MD5.
        let name = script.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if storage == Storage::Memory && matches!(name, "restart" | "put_same") {
            continue;
        }
        if storage != Storage::S3 && WITH_CREDENTIALS.contains(&name) {
            continue;
        }
        if cfg!(not(feature = "query")) && QUERIES.contains(&name) {
            continue;
        }
        eprintln!("{storage:?}: {name}");
        goldenscript::run(&mut Script::new(storage), &script).expect(name);
    }
}

struct Script {
    storage: Storage,
    dir: tempfile::TempDir,
    server: Option<Server>,
    clients: BTreeMap<String, Client>,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    /// Unique to this run, for stores that outlive it.
    run: String,
}

impl Script {
    fn new(storage: Storage) -> Script {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let dir = tempfile::tempdir().expect("a temporary directory");
        Script { storage, dir, server: None, clients: BTreeMap::new(), files: Arc::default(), run }
    }

    fn config(&self) -> Config {
        let mut config = config(&self.dir.path().join("data"));
        config.external.fs_dirs = vec![self.dir.path().join("external")];
        match self.storage {
            Storage::Fs => {}
            Storage::Memory => config.storage = Some(self.place("internal")),
            Storage::S3 | Storage::Azblob => {
                config.storage = Some(self.place("internal"));
                config.catalog = Some(self.place("catalog"));
            }
        }
        config
    }

    fn place(&self, name: &str) -> Place {
        let options = self.options().into_iter();
        let options = options.map(|(key, value)| (key.to_owned(), Secret::new(value))).collect();
        Place { url: self.url(name), options }
    }

    fn url(&self, name: &str) -> String {
        let run = &self.run;
        match self.storage {
            Storage::Fs => format!("fs://{}/external/{name}/", self.dir.path().display()),
            Storage::Memory => format!("memory://{run}-{name}/"),
            Storage::S3 => format!("s3://{}/{run}/{name}/", setting("S3_BUCKET")),
            Storage::Azblob => format!("azblob://{}/{run}/{name}/", setting("AZBLOB_CONTAINER")),
        }
    }

    fn options(&self) -> Vec<(&'static str, String)> {
        match self.storage {
            Storage::Fs | Storage::Memory => Vec::new(),
            Storage::S3 => vec![
                ("ENDPOINT_URL", setting("S3_ENDPOINT")),
                ("REGION", setting("S3_REGION")),
                ("ACCESS_KEY_ID", setting("S3_KEY")),
                ("SECRET_ACCESS_KEY", setting("S3_SECRET")),
            ],
            Storage::Azblob => vec![
                ("ENDPOINT_URL", setting("AZBLOB_ENDPOINT")),
                ("ACCOUNT_NAME", setting("AZBLOB_ACCOUNT")),
                ("ACCOUNT_KEY", setting("AZBLOB_KEY")),
            ],
        }
    }

    fn server(&mut self) -> &Server {
        if self.server.is_none() {
            std::fs::create_dir_all(self.dir.path().join("external")).expect("a directory");
            self.server = Some(Server::open(self.config()).expect("a server"));
        }
        self.server.as_ref().expect("just made")
    }

    fn connect(&mut self, name: &str, options: &Options) -> Result<(), Refusal> {
        let addr = self.server().addr;
        let mut client = Client::with(addr, options)?;
        let files = self.files.clone();
        client.serve_files(move |path| {
            let given = files.lock().expect("no panic").get(path).cloned();
            given.or_else(|| std::fs::read(path).ok())
        });
        self.clients.insert(name.to_owned(), client);
        Ok(())
    }

    fn client(&mut self, name: &str) -> &mut Client {
        if !self.clients.contains_key(name) {
            self.connect(name, &Options::default()).expect("a log-in");
        }
        self.clients.get_mut(name).expect("just connected")
    }

    fn query(&mut self, client: &str, sql: &str) -> Result<String, Box<dyn Error>> {
        let mut external = format!("URL='{}'", self.url("files"));
        let options: Vec<String> =
            self.options().iter().map(|(key, value)| format!("{key}='{value}'")).collect();
        let options = options.join(" ");
        if !options.is_empty() {
            write!(external, " CONNECTION=({options})")?;
        }
        let disk = self.dir.path().join("disk").display().to_string();
        let sql = sql.replace("$EXTERNAL", &external).replace("$URL", &self.url("files"));
        let sql = sql.replace("$DISK", &disk).replace("$OPTIONS", &options);
        let responses = self.client(client).query(&sql);
        self.show(responses)
    }

    fn show(&self, responses: Vec<Response>) -> Result<String, Box<dyn Error>> {
        let mut out = String::new();
        for response in responses {
            match response {
                Response::Ok { affected, info, .. } => {
                    let info = if info.is_empty() { String::new() } else { format!(": {info}") };
                    writeln!(out, "OK, {affected} affected{info}")?;
                }
                Response::Err(refusal) => return Err(self.mask(&error_text(&refusal)).into()),
                Response::Rows { columns, rows, .. } => {
                    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
                    writeln!(out, "{}", names.join(" | "))?;
                    for row in rows {
                        let row: Vec<String> = row
                            .into_iter()
                            .zip(&names)
                            .map(|(value, name)| match *name {
                                // Stores differ in whether they know one.
                                "md5" => "<md5>".to_owned(),
                                "headers" => "<headers>".to_owned(),
                                "last_modified" => "<time>".to_owned(),
                                "url" if value.as_ref().is_some_and(|v| v.starts_with("http")) => {
                                    "<url>".to_owned()
                                }
                                _ => value.unwrap_or_else(|| "NULL".to_owned()),
                            })
                            .collect();
                        writeln!(out, "{}", row.join(" | "))?;
                    }
                }
            }
        }
        Ok(self.mask(&out))
    }

    /// What differs from run to run and from store to store.
    fn mask(&self, text: &str) -> String {
        let mut text = text.replace(&self.url("files"), "$URL");
        for (key, value) in self.options() {
            text = text.replace(&value, &format!("<{}>", key.to_lowercase()));
        }
        text = text.replace(&self.dir.path().display().to_string(), "<dir>");
        for (pattern, name) in [
            (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?", "<time>"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
            (r"Uptime: \d+", "Uptime: <seconds>"),
        ] {
            text = Regex::new(pattern).expect("valid").replace_all(&text, name).into_owned();
        }
        text
    }
}

fn setting(name: &str) -> String {
    let name = format!("STAGEWIRE_TEST_{name}");
    std::env::var(&name).unwrap_or_else(|_| panic!("{name} is not set"))
}

fn unhex(digits: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let bytes = (0..digits.len()).step_by(2).map(|at| {
        u8::from_str_radix(digits.get(at..at + 2).ok_or("an odd digit")?, 16).map_err(Into::into)
    });
    bytes.collect()
}

/// A tar archive, by the tool: of members `name=content`, `link->target` and `directory/`. Without the
/// padding behind its end, so that a test can cut what counts.
fn archive(members: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let mut names = Vec::new();
    for member in members {
        if let Some((name, target)) = member.split_once("->") {
            std::os::unix::fs::symlink(target, dir.path().join(name))?;
            names.push(name);
        } else if let Some((name, content)) = member.split_once('=') {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().ok_or("a directory")?)?;
            std::fs::write(path, content)?;
            names.push(name);
        } else {
            std::fs::create_dir_all(dir.path().join(member))?;
            names.push(member);
        }
    }
    let mut tar = std::process::Command::new("tar");
    tar.args(["-b", "1", "-cf", "-", "-C"]).arg(dir.path()).args(names);
    Ok(tar.output()?.stdout)
}

fn error_text(refusal: &Refusal) -> String {
    format!("ERROR {} ({}): {}", refusal.code, refusal.state, refusal.message)
}

impl Runner for Script {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        let name = context.prefix.clone().unwrap_or_else(|| "c1".to_owned());
        let mut args = command.consume_args();
        match command.name.as_str() {
            "connect" => {
                let mut options = Options::default();
                if let Some(client) = args.take_key("client") {
                    options.attributes = vec![("_client_name".to_owned(), client.to_owned())];
                }
                if let Some(user) = args.take_key("user") {
                    options.user = user.to_owned();
                }
                options.password = args.take_key("password").unwrap_or(PASSWORD).to_owned();
                options.database = args.take_key("database").map(str::to_owned);
                if options.database.is_some() {
                    options.capabilities |= cap::CONNECT_WITH_DB;
                }
                if args.take_key("files").is_some_and(|files| files == "off") {
                    options.capabilities &= !cap::LOCAL_FILES;
                }
                if args.take_key("multi").is_some_and(|multi| multi == "off") {
                    options.capabilities &= !cap::MULTI_STATEMENTS;
                }
                self.connect(&name, &options).map_err(|refusal| error_text(&refusal))?;
                Ok(String::new())
            }
            "close" => {
                self.clients.remove(&name);
                // Until the server has seen it.
                let open = self.clients.len();
                let server = self.server();
                for _ in 0..500 {
                    let count =
                        server.instance.connections.load(std::sync::atomic::Ordering::SeqCst);
                    if count <= open {
                        return Ok(String::new());
                    }
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                Err("the server has not seen the connection's end".into())
            }
            "restart" => {
                self.clients.clear();
                if let Some(mut server) = self.server.take() {
                    server.stop();
                }
                Ok(String::new())
            }
            "file" => {
                let path = args.next_pos().ok_or("a path")?.to_owned();
                let content = match (args.take_key("size"), args.take_key("hex")) {
                    (Some(size), _) => vec![b'x'; size.parse()?],
                    (None, Some(hex)) => unhex(hex)?,
                    (None, None) => {
                        let times = args.take_key("repeat").map_or(Ok(1), |times| times.parse())?;
                        let mut text = args.next_pos().unwrap_or_default().repeat(times);
                        text.push_str(args.next_pos().unwrap_or_default());
                        text.into_bytes()
                    }
                };
                self.files.lock().map_err(|_| "poisoned")?.insert(path, content);
                Ok(String::new())
            }
            "tar" => {
                let path = args.next_pos().ok_or("a path")?.to_owned();
                let cut = args.take_key("cut").map_or(Ok(0), |cut| cut.parse())?;
                let members: Vec<_> = std::iter::from_fn(|| args.next_pos()).collect();
                let mut content = archive(&members)?;
                content.truncate(content.len().saturating_sub(cut));
                self.files.lock().map_err(|_| "poisoned")?.insert(path, content);
                Ok(String::new())
            }
            "disk" => {
                let name = args.next_pos().ok_or("a path")?;
                let path = self.dir.path().join("disk").join(name);
                std::fs::create_dir_all(path.parent().ok_or("a directory")?)?;
                std::fs::write(path, args.next_pos().unwrap_or_default())?;
                Ok(String::new())
            }
            "prepare" => {
                let sql = args.next_pos().ok_or("a statement")?.to_owned();
                let statement =
                    self.client(&name).prepare(&sql).map_err(|refusal| error_text(&refusal))?;
                let names: Vec<&str> = statement.columns.iter().map(|c| c.name.as_str()).collect();
                Ok(format!("{} parameters, columns: {}\n", statement.parameters, names.join(" | ")))
            }
            "execute" => {
                let sql = args.next_pos().ok_or("a statement")?.to_owned();
                let parameters: Vec<Parameter> =
                    std::iter::from_fn(|| args.next_pos()).map(parameter).collect();
                let client = self.client(&name);
                let statement = client.prepare(&sql).map_err(|refusal| error_text(&refusal))?;
                let responses = client.execute(&statement, &parameters);
                self.show(responses)
            }
            "http" => self.http(command),
            // A line behind '>'.
            sql => self.query(&name, sql),
        }
    }
}

impl Script {
    fn http(&mut self, command: &Command) -> Result<String, Box<dyn Error>> {
        let mut words = Vec::new();
        let mut headers = Vec::new();
        let mut files = Vec::new();
        for argument in &command.args {
            match argument {
                Argument::Positional(word) => words.push(word.as_str()),
                Argument::KeyValue(key, value) => match key.strip_prefix("file:") {
                    Some(name) => files.push((name, value.as_bytes())),
                    None => headers.push((key.as_str(), value.as_str())),
                },
                _ => return Err("an argument of a new kind".into()),
            }
        }
        let [method, path] = words.as_slice() else { return Err("http METHOD /path".into()) };
        let body = if files.is_empty() { Vec::new() } else { http::form(&files) };
        let content_type = format!("multipart/form-data; boundary={}", http::BOUNDARY);
        if !body.is_empty() {
            headers.push(("Content-Type", &content_type));
        }
        let addr = self.server().http_addr;
        let answer = http::send(addr, method, path, &headers, &body);
        Ok(self.mask(&format!("{} {}\n", answer.status, answer.body.trim_end())))
    }
}

fn parameter(text: &str) -> Parameter {
    match text {
        "NULL" => Parameter::Null,
        text => text.parse().map_or_else(|_| Parameter::Text(text.to_owned()), Parameter::Int),
    }
}
