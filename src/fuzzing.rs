//! Doors for what feeds the server any bytes: `tests/fuzz`, and below a test of its corpora. Each takes one input, and
//! panics where something does not hold that always does.
//!
//! Compiled for the two alone (`cfg(fuzzing)`, `cfg(test)`), so the library has no part of it.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::{Builder, Runtime};
use uuid::Uuid;

use crate::access::ROOT;
use crate::compressed::{Compressed, Compression};
use crate::config::{Algorithm, Config, Expand, Overrides, Place, Plugin, Secret, Transfer};
use crate::error::{Error, Result};
use crate::instance::Instance;
use crate::sql::literal;
use crate::sql::location::Location;
use crate::sql::mode::SqlMode;
use crate::stage::name::StagePath;
use crate::stage::pattern::Pattern;
use crate::stage::place;
use crate::statement::{ENTRIES, Statement};
use crate::transfer::archive::Archive;
use crate::transfer::compression::{Compression as Packing, DECLARED};
use crate::transfer::encoder::{AutoCompress, Encoder};
use crate::transfer::form::Form;
use crate::transfer::sources;
use crate::{http, server, stage};

/// What stands between two packets of an input: rare enough in what a client sends, easy to find for who draws lots.
const BETWEEN: &[u8] = b"\n~\n";

/// A server is used for so many inputs: what they leave behind does not pile up.
const USES: u32 = 500;

/// The longest statement. What is longer is refused, which an input should be able to reach.
const MAX_PACKET: usize = 256 * 1024;

/// More of an archive is not unpacked. Blocks make a difference of one block.
const MOST_UNPACKED: usize = 4 * 1024 * 1024;

/// How long an input of a corpus may sleep.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where the inputs run. When fuzzing, whoever only waits has waited: no input takes longer for it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    #[cfg(fuzzing)]
    let builder = Builder::new_current_thread().enable_all().start_paused(true).build();
    #[cfg(not(fuzzing))]
    let builder = {
        tests::abort_on_panics();
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(tests::THREADS)
            .enable_all()
            .build()
    };
    builder.expect("a runtime")
});

/// A server that listens nowhere, and keeps everything in memory.
struct World {
    instance: Arc<Instance>,
    /// Its directory, and what the stores in memory begin with.
    name: String,
    uses: u32,
}

impl World {
    /// `root` has this password; none of its stages is anywhere else.
    fn new(password: &str, plugin: Plugin) -> World {
        static NEWEST: AtomicU64 = AtomicU64::new(0);
        let number = NEWEST.fetch_add(1, Ordering::Relaxed);
        let name = format!("stagewire-fuzzing-{}-{number}-", std::process::id());
        let in_memory = |what: &str| {
            Some(Place { url: format!("memory://{name}{what}/"), options: BTreeMap::new() })
        };
        let mut config = Config::load(None, Overrides::default()).expect("defaults are valid");
        config.data_dir = std::env::temp_dir().join(&name);
        config.catalog = in_memory("catalog");
        config.storage = in_memory("storage");
        config.root_password = Secret::new(password);
        config.default_authentication_plugin = plugin;
        config.external.allowed_urls = vec!["memory://nowhere-else/".to_owned()];
        config.transfer.expand_wildcards = Expand::Never;
        config.limits.max_allowed_packet = MAX_PACKET;
        let instance = RUNTIME.block_on(Instance::open(config)).expect("a server");
        World { instance, name, uses: 0 }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        stage::forget_memory(&self.name);
        // What stays behind is below the system's directory for what is temporary.
        let _ = std::fs::remove_dir_all(&self.instance.config.data_dir);
    }
}

/// The server of one kind of input, new from time to time. Whoever holds it is alone with it.
fn alone(
    world: &'static Mutex<Option<World>>,
    new: impl FnOnce() -> World,
) -> MappedMutexGuard<'static, World> {
    let mut world = world.lock();
    if world.as_ref().is_none_or(|world| world.uses >= USES) {
        // The old one has to be gone before.
        *world = None;
        *world = Some(new());
    }
    MutexGuard::map(world, |world| {
        let world = world.as_mut().expect("made above");
        world.uses += 1;
        world
    })
}

/// What a client sends that has logged in as `root`: commands, files, frames.
///
/// The first byte says how it has logged in ([`Manner`]). The rest is what it sends: bytes as they are; or packets, with
/// [`BETWEEN`] between them, of each its number and then its payload.
pub fn packets(data: &[u8]) {
    static WORLD: Mutex<Option<World>> = Mutex::new(None);
    let Some((&manner, sent)) = data.split_first() else { return };
    let manner = Manner(manner);
    let world = alone(&WORLD, || World::new("", Plugin::Native));
    let sent = RUNTIME.block_on(manner.framed(sent));
    let answer = RUNTIME.block_on(converse(&world.instance, Some(manner), &sent));
    match manner.compression() {
        None => assert!(is_whole(&answer, 4), "an answer ends in the middle of a packet"),
        Some(_) => assert!(is_whole(&answer, 7), "an answer ends in the middle of a frame"),
    }
    assert_eq!(world.instance.running_uploads(), 0, "an upload has no end");
}

/// What a client sends that has not logged in, and can't: it doesn't know the password.
///
/// The first byte says which method the server prefers, and whether packets follow as in [`packets`].
pub fn handshake(data: &[u8]) {
    static NATIVE: Mutex<Option<World>> = Mutex::new(None);
    static SHA2: Mutex<Option<World>> = Mutex::new(None);
    let Some((&manner, sent)) = data.split_first() else { return };
    let (world, plugin) = match manner & 1 {
        0 => (&NATIVE, Plugin::Native),
        _ => (&SHA2, Plugin::Sha2),
    };
    // Nobody logs in, so they may come all at once.
    let new = || World::new(&Uuid::new_v4().to_string(), plugin);
    let instance = Arc::clone(&alone(world, new).instance);
    let manner = Manner(manner & Manner::PACKETS);
    let sent = RUNTIME.block_on(manner.framed(sent));
    RUNTIME.block_on(converse(&instance, None, &sent));
    assert_eq!(instance.statements.load(Ordering::Relaxed), 0, "a stranger runs a statement");
}

/// How an input's client has logged in.
#[derive(Clone, Copy)]
struct Manner(u8);

impl Manner {
    /// Packets follow, not bytes as they are.
    const PACKETS: u8 = 0x80;
    const SEVERAL_STATEMENTS: u8 = 0x10;
    const NO_FILES: u8 = 0x08;
    const OLD_EOF: u8 = 0x04;

    fn compression(self) -> Option<Compression> {
        match self.0 & 3 {
            1 => Some(Compression { algorithm: Algorithm::Zlib, level: Compression::ZLIB_LEVEL }),
            2 => Some(Compression { algorithm: Algorithm::Zstd, level: 1 }),
            _ => None,
        }
    }

    /// Source: "Protocol::HandshakeResponse41".
    fn log_in(self) -> Vec<u8> {
        let mut bits: u32 = 1 << 9 | 1 << 13 | 1 << 15 | 1 << 17 | 1 << 18 | 1 << 23;
        let has = |bit: u8| self.0 & bit != 0;
        bits |= if has(Self::SEVERAL_STATEMENTS) { 1 << 16 } else { 0 };
        bits |= if has(Self::NO_FILES) { 0 } else { 1 << 7 };
        bits |= if has(Self::OLD_EOF) { 0 } else { 1 << 24 };
        bits |= match self.compression().map(|how| how.algorithm) {
            None => 0,
            Some(Algorithm::Zlib) => 1 << 5,
            Some(Algorithm::Zstd) => 1 << 26,
        };
        let mut payload = bits.to_le_bytes().to_vec();
        payload.extend([0, 0, 0, 1, 45]);
        payload.extend([0; 23]);
        payload.extend(b"root\0\0");
        if bits & 1 << 26 != 0 {
            payload.push(1);
        }
        packet(1, &payload)
    }

    /// The bytes that are sent for an input.
    async fn framed(self, sent: &[u8]) -> Vec<u8> {
        if self.0 & Self::PACKETS == 0 {
            return sent.to_vec();
        }
        let mut out = Compressed::new(Cursor::new(Vec::new()));
        if let Some(how) = self.compression() {
            out.compress(how, b"").expect("an encoder");
        }
        for part in split(sent, BETWEEN) {
            if let Some((&number, payload)) = part.split_first() {
                out.write_all(&packet(number, payload)).await.expect("room");
                out.flush().await.expect("room");
            }
        }
        out.inner().get_ref().clone()
    }
}

/// A payload as a packet. Inputs are never so long that it needs two.
fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    let [a, b, c, ..] = payload.len().to_le_bytes();
    [&[a, b, c, number][..], payload].concat()
}

fn split<'a>(mut bytes: &'a [u8], between: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    while let Some(at) = bytes.windows(between.len()).position(|window| window == between) {
        parts.push(&bytes[..at]);
        bytes = &bytes[at + between.len()..];
    }
    parts.push(bytes);
    parts
}

/// Whether these are whole packets, or frames, and nothing else.
fn is_whole(mut bytes: &[u8], header: usize) -> bool {
    while let Some(&[a, b, c]) = bytes.first_chunk::<3>() {
        let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
        let Some((_, rest)) = bytes.split_at_checked(header + length) else { return false };
        bytes = rest;
    }
    bytes.is_empty()
}

/// One connection, to its end: what was answered behind the log-in, if there is one, else behind the greeting.
async fn converse(instance: &Arc<Instance>, log_in: Option<Manner>, sent: &[u8]) -> Vec<u8> {
    let (near, far) = duplex(64 * 1024);
    let client = async {
        let (mut near, mut answer) = (near, Vec::new());
        assert_eq!(one_packet(&mut near).await.get(4), Some(&10), "no greeting");
        if let Some(manner) = log_in {
            near.write_all(&manner.log_in()).await.expect("somebody listens");
            assert_eq!(one_packet(&mut near).await.get(4), Some(&0), "not logged in");
        }
        let (mut from, mut to) = tokio::io::split(near);
        let send = async {
            // Who has been told to go is not listened to any more.
            let _ = to.write_all(sent).await;
            let _ = to.shutdown().await;
        };
        let (_, read) = tokio::join!(send, from.read_to_end(&mut answer));
        read.expect("a stream in memory");
        answer
    };
    let both = async { tokio::join!(server::serve_in_memory(far, Arc::clone(instance)), client).1 };
    // Without a clock that jumps, who asks for a long sleep gets one.
    match cfg!(fuzzing) {
        true => both.await,
        false => tokio::time::timeout(PATIENCE, both).await.unwrap_or_default(),
    }
}

async fn one_packet(stream: &mut DuplexStream) -> Vec<u8> {
    let mut packet = vec![0; 4];
    stream.read_exact(&mut packet).await.expect("a header");
    let length = usize::from(packet[0]) | usize::from(packet[1]) << 8;
    packet.resize(4 + length, 0);
    stream.read_exact(&mut packet[4..]).await.expect("a payload");
    packet
}

/// A statement, behind a byte that says in which `sql_mode`.
pub fn statements(data: &[u8]) {
    let Some((&mode, text)) = data.split_first() else { return };
    let Ok(text) = str::from_utf8(text) else { return };
    let has = |bit: u8| mode & bit != 0;
    let mode =
        SqlMode { ansi_quotes: has(1), no_backslash_escapes: has(2), pipes_as_concat: has(4) };
    split_statements(text, mode);
    match Statement::parse_in(text, mode) {
        // What is printed is for a session that has set no mode.
        Ok(statement) if mode == SqlMode::default() => reads_what_it_prints(text, &statement),
        Ok(statement) => drop(statement.to_string()),
        Err(error) => points_inside(&error, text),
    }
}

/// Each statement is a part of the text, and they come to an end.
fn split_statements(text: &str, mode: SqlMode) {
    let mut rest = text;
    while !rest.is_empty() {
        let (first, others) = Statement::split(rest, mode);
        assert!(others.len() < rest.len() && rest.ends_with(others), "{rest:?} has no end");
        assert!(rest.contains(first), "{first:?} is not in {rest:?}");
        rest = others;
    }
}

/// Ours do. MySQL's statements are kept as they were written.
fn reads_what_it_prints(text: &str, statement: &Statement) {
    let printed = statement.exposing_secrets();
    let _masked = statement.to_string();
    if !ENTRIES.iter().any(|entry| entry.grammar == statement.kind()) {
        return;
    }
    match Statement::parse(&printed) {
        Ok(again) => {
            // Where an expression stands is a part of it.
            let moves = || format!("{statement:?}").contains("span: Span(");
            assert!(again == *statement || moves(), "{text:?} printed {printed:?}");
            assert_eq!(again.exposing_secrets(), printed, "{text:?}");
        }
        Err(error) => panic!("{text:?} printed {printed:?}: {}", error.message()),
    }
}

fn points_inside(error: &Error, text: &str) {
    assert!(!error.message().is_empty());
    let Error::Syntax { at: Some(at), .. } = error else { return };
    let line = text.lines().nth(at.span.line - 1).unwrap_or("");
    let inside = at.span.column <= line.chars().count() + 1;
    assert!(inside && line.starts_with(&at.line), "{at:?} is not in {text:?}");
}

/// A text that names things: a location, a URL, a pattern, a client's file.
pub fn locations(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    location(text);
    url(text);
    pattern(text);
    client_file(text);
    if let Ok(path) = StagePath::new(text) {
        assert_eq!(path.as_str(), text);
        let leaves = |part: &str| matches!(part, "." | "..");
        assert!(!text.starts_with('/') && !text.split('/').any(leaves), "{text:?} leads away");
    }
}

fn location(text: &str) {
    let Ok(location) = Location::parse(text) else { return };
    let again = Location::parse(&location.text());
    assert_eq!(again.ok().as_ref(), Some(&location), "{text:?} is {:?}", location.text());
    let listed = format!("LIST {location}");
    let Ok(Statement::List(list)) = Statement::parse(&listed) else { panic!("{listed:?}") };
    assert_eq!(list.location, location, "{listed:?}");
}

fn url(text: &str) {
    assert!(!place::without_credentials(text).contains(char::is_control));
    let Ok(external) = place::external(text, &[]) else { return };
    let again = place::external(&external.url, &[]).expect("what is kept can be read");
    assert_eq!(again, external, "{text:?}");
    assert!(external.url.ends_with('/') && external.url.contains("://"), "{:?}", external.url);
    let _shown = (place::storage_type(&external), place::endpoint(&external));
}

/// A pattern, and in the next line what it is tried on.
fn pattern(text: &str) {
    let (expression, path) = text.split_once('\n').unwrap_or((text, text));
    match Pattern::new(expression) {
        Ok(pattern) => {
            let found = pattern.matches(path);
            assert_eq!(found, pattern.matches(path));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let exact = Pattern::new(&regex::escape(path)).expect("a text is a pattern");
    assert!(exact.matches(path), "{path:?} is not itself");
}

fn client_file(text: &str) {
    let prefix = sources::fixed_prefix(text);
    assert!(text.starts_with(prefix) && (prefix.is_empty() || prefix.ends_with('/')));
    assert!(!sources::has_wildcards(prefix), "{prefix:?} is not fixed");
    let sql = format!("PUT {} @s", literal::text(&format!("file://{text}")));
    if let Ok(statement) = Statement::parse(&sql) {
        reads_what_it_prints(&sql, &statement);
    }
}

/// A form that is sent to `/v1/upload_to_stage`: a byte that says in what pieces its body comes and whether it breaks
/// off, a line with its kind, a line with the path on the stage, and the body.
pub fn multipart(data: &[u8]) {
    static WORLD: Mutex<Option<World>> = Mutex::new(None);
    let Some((&manner, rest)) = data.split_first() else { return };
    let mut lines = rest.splitn(3, |byte| *byte == b'\n');
    let (Some(kind), Some(dir), Some(body)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let breaks = (manner & 0x80 != 0)
        .then(|| Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)));
    let body = pieces(manner, body).into_iter().map(Ok).chain(breaks);
    let world = alone(&WORLD, || World::new("", Plugin::Native));
    RUNTIME.block_on(async {
        let instance = &world.instance;
        let files = instance.stages.user_files(ROOT, Uuid::nil()).await.expect("a stage");
        let body = futures::stream::iter(body.collect::<Vec<_>>());
        let answer = http::answer_form(Arc::clone(instance), kind, dir, body).await;
        let Some((status, names)) = answer else { return };
        let found: Vec<_> = files.list(&StagePath::root()).collect().await;
        assert!(status < 500, "{status}: the server's own mistake");
        assert_eq!(found.len(), names.len(), "{status}: {names:?}, and there is {found:?}");
        let removed: Vec<_> = files.remove(futures::stream::iter(found).boxed()).collect().await;
        assert!(removed.iter().all(|(_, result)| result.is_ok()), "{removed:?}");
        assert_eq!(instance.running_uploads(), 0, "an upload has no end");
    });
}

/// The bytes in pieces of a size that the last bits say.
fn pieces(manner: u8, bytes: &[u8]) -> Vec<Bytes> {
    let size = match manner & 3 {
        0 => bytes.len().max(1),
        1 => 1,
        2 => 7,
        _ => 64,
    };
    bytes.chunks(size).map(Bytes::copy_from_slice).collect()
}

/// A file: behind a byte that says what it is declared to be and in what pieces it comes, an archive to unpack; and
/// something to compress, as it is.
pub fn archives(data: &[u8]) {
    let Some((&manner, file)) = data.split_first() else { return };
    let declared = DECLARED.get(usize::from(manner >> 4)).map(|(_, compression)| *compression);
    RUNTIME.block_on(async {
        let whole = unpacked(0, file, declared).await;
        let in_pieces = unpacked(manner, file, declared).await;
        match (&whole, &in_pieces) {
            (Ok(whole), Ok(in_pieces)) if whole.is_all && in_pieces.is_all => {
                assert_eq!(whole.members, in_pieces.members);
            }
            (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
            (Ok(some), Err(_)) | (Err(_), Ok(some)) if !some.is_all => {}
            _ => panic!("whole: {whole:?}, in pieces: {in_pieces:?}"),
        }
        if manner & 4 != 0 {
            assert!(packed_and_unpacked(manner, file).await == file, "gzip has changed a file");
        }
    });
    form(file, declared);
}

/// What came out of an archive.
#[derive(Debug, Default)]
struct Unpacked {
    /// Paths, why they are refused, and what is in them.
    members: Vec<(String, Option<&'static str>, Vec<u8>)>,
    /// Whether that is all.
    is_all: bool,
}

async fn unpacked(manner: u8, file: &[u8], declared: Option<Packing>) -> Result<Unpacked> {
    let pieces = pieces(manner, file).into_iter().map(Ok::<_, std::io::Error>);
    let bytes = tokio_util::io::StreamReader::new(futures::stream::iter(pieces));
    let mut archive = Archive::open("x.tar", bytes, declared).await?;
    let (mut unpacked, mut size) = (Unpacked::default(), 0);
    while let Some(member) = archive.next_member().await? {
        let mut content = Vec::new();
        while let Some(block) = archive.next_block().await? {
            content.extend_from_slice(&block);
            size += block.len();
            if size >= MOST_UNPACKED {
                return Ok(unpacked);
            }
        }
        unpacked.members.push((member.path, member.refused, content));
    }
    unpacked.is_all = true;
    Ok(unpacked)
}

async fn packed_and_unpacked(manner: u8, file: &[u8]) -> Vec<u8> {
    let gzip_level = u32::from(manner >> 4);
    let mut gzip = Encoder::gzip(&Transfer { gzip_level, ..Transfer::default() });
    let mut packed = Vec::new();
    for piece in pieces(manner, file) {
        packed.extend(gzip.push(piece).await.expect("an encoder"));
    }
    packed.extend(gzip.finish().await.expect("an encoder"));
    let packed = packed.concat();
    let mut plain = Vec::new();
    let mut decoder = async_compression::tokio::bufread::GzipDecoder::new(packed.as_slice());
    decoder.read_to_end(&mut plain).await.expect("what gzip wrote can be read");
    plain
}

/// What a file of this name and beginning becomes.
fn form(file: &[u8], declared: Option<Packing>) {
    let name = String::from_utf8_lossy(file.get(..12).unwrap_or(file));
    for auto in [AutoCompress::No, AutoCompress::Gzip, AutoCompress::Zstd] {
        let Ok(form) = Form::of(&name, Some(file), declared, auto) else { continue };
        assert!(form.name.starts_with(&*name));
        assert_eq!(form.is_packed(), form.name != *name, "{form:?}");
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// The name of the threads that inputs run on.
    pub(super) const THREADS: &str = "fuzzing::";

    /// The server contains the panics of its connections. This test must not miss one.
    pub(super) fn abort_on_panics() {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            print(panic);
            if std::thread::current().name().is_some_and(|name| name.starts_with(THREADS)) {
                std::process::abort();
            }
        }));
    }

    /// Every file of the corpus, and what something was wrong with once; a failure names it. So many at a time.
    fn feed(target: &str, door: fn(&[u8]), at_a_time: usize) {
        let files: Vec<PathBuf> =
            ["corpus", "fixed"].iter().flat_map(|kind| files(kind, target)).collect();
        assert!(!files.is_empty(), "there is no corpus of {target}");
        let next = AtomicUsize::new(0);
        let feed = || {
            while let Some(path) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                eprintln!("{}", path.display());
                door(&std::fs::read(path).expect("a file"));
            }
        };
        std::thread::scope(|threads| {
            for _ in 0..at_a_time {
                let thread = std::thread::Builder::new().name(format!("{THREADS}{target}"));
                thread.spawn_scoped(threads, feed).expect("a thread");
            }
        });
    }

    fn files(kind: &str, target: &str) -> Vec<PathBuf> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(kind).join(target);
        let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
        let mut files: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    }

    #[test]
    fn packets_of_all_kinds_are_answered() {
        feed("packets", packets, 1);
    }

    /// Who is refused is kept waiting, so many are refused at a time.
    #[test]
    fn no_stranger_gets_in() {
        feed("handshake", handshake, 32);
    }

    #[test]
    fn statements_are_read_as_they_print_themselves() {
        feed("statements", statements, 1);
    }

    #[test]
    fn what_names_a_place_names_one_place() {
        feed("locations", locations, 1);
    }

    #[test]
    fn a_form_is_there_whole_or_not_at_all() {
        feed("multipart", multipart, 1);
    }

    #[test]
    fn an_archive_is_the_same_in_whatever_pieces_it_comes() {
        feed("archives", archives, 1);
    }
}
