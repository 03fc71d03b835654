//! A faulty way to a real store: an HTTP proxy that passes most requests on, and ruins the others as it is told.
//!
//! One request a connection, for then a fault touches nothing else. What is signed passes as it came, the `Host` too.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The store answers it.
    Pass,
    /// The store never hears of it; this status and S3 error code are the answer.
    Answer(u16, &'static str),
    /// The connection ends before the request has been read.
    Reset,
    /// The store gets half of it, and the connection ends.
    CutRequest,
    /// The store has done it, and the connection ends without an answer.
    LoseAnswer,
    /// The connection ends in the middle of the answer.
    CutAnswer,
    /// Nothing ever comes, until the proxy is [released](Proxy::release).
    Hang,
    /// The answer's body comes byte by byte, with pauses between them.
    Drip(Duration),
    /// The answer is this body, with the store's own head.
    Replace(Vec<u8>),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub fate: Fate,
}

impl Request {
    /// Whether it lists a bucket's objects.
    pub fn is_list(&self) -> bool {
        self.method == "GET" && self.target.contains("list-type=2")
    }
}

type Decide = Box<dyn FnMut(&Request) -> Fate + Send>;

struct State {
    upstream: SocketAddr,
    decide: Mutex<Decide>,
    requests: Mutex<Vec<Request>>,
    open: AtomicUsize,
    most: AtomicUsize,
    /// Those that hang go on when this is true.
    released: (Mutex<bool>, Condvar),
    stopped: AtomicBool,
}

/// Runs until it is dropped.
pub struct Proxy {
    addr: SocketAddr,
    state: Arc<State>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().expect("no panic")
}

impl Proxy {
    /// Before the store at this endpoint. All passes, until [`Proxy::decide`] says something else.
    pub fn before(endpoint: &str) -> Proxy {
        let authority = endpoint.strip_prefix("http://").expect("a store without TLS");
        let authority = authority.trim_end_matches('/');
        let upstream = authority.to_socket_addrs().expect("an address").next().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            upstream,
            decide: Mutex::new(Box::new(|_| Fate::Pass)),
            requests: Mutex::default(),
            open: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            released: (Mutex::new(false), Condvar::new()),
            stopped: AtomicBool::new(false),
        });
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if serving.stopped.load(Ordering::SeqCst) {
                    break;
                }
                let state = Arc::clone(&serving);
                // A peer that goes away is no failure of the proxy.
                thread::spawn(move || state.serve(client).ok());
            }
        });
        Proxy { addr, state }
    }

    /// Where clients connect.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// From here on.
    pub fn decide(&self, decide: impl FnMut(&Request) -> Fate + Send + 'static) {
        *lock(&self.state.decide) = Box::new(decide);
    }

    /// From here on all passes.
    pub fn pass(&self) {
        self.decide(|_| Fate::Pass);
    }

    /// What has come since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut lock(&self.state.requests))
    }

    /// How many have come since then.
    pub fn count(&self) -> usize {
        lock(&self.state.requests).len()
    }

    /// The most requests that were there at a time.
    pub fn most_at_a_time(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// From here on the most counts anew.
    pub fn forget(&self) {
        self.state.most.store(0, Ordering::SeqCst);
    }

    /// Requests that are there now.
    pub fn open(&self) -> usize {
        self.state.open.load(Ordering::SeqCst)
    }

    /// Lets go what hangs, and all that would: their connections end without an answer.
    pub fn release(&self) {
        *lock(&self.state.released.0) = true;
        self.state.released.1.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.state.stopped.store(true, Ordering::SeqCst);
        self.release();
        let _ = TcpStream::connect(self.addr);
    }
}

impl State {
    fn serve(&self, mut client: TcpStream) -> io::Result<()> {
        let (head, early) = read_head(&mut client)?;
        let Some(mut request) = Request::of(&head) else { return Ok(()) };
        request.fate = lock(&self.decide)(&request);
        let fate = request.fate.clone();
        lock(&self.requests).push(request);
        self.most.fetch_max(self.open.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let answer = self.answer(fate, &mut client, &head, early);
        // Before the client knows that it is over.
        self.open.fetch_sub(1, Ordering::SeqCst);
        let (answer, pause) = answer?;
        match pause {
            None => client.write_all(&answer)?,
            Some(pause) => {
                let head = answer.windows(4).position(|end| end == b"\r\n\r\n");
                let (head, body) = answer.split_at(head.map_or(0, |head| head + 4));
                client.write_all(head)?;
                body.iter().try_for_each(|byte| {
                    thread::sleep(pause);
                    client.write_all(&[*byte])
                })?;
            }
        }
        client.shutdown(Shutdown::Write)
    }

    /// What is written to the client, and how slowly. An error ends the connection.
    fn answer(
        &self,
        fate: Fate,
        client: &mut TcpStream,
        head: &str,
        early: Vec<u8>,
    ) -> io::Result<(Vec<u8>, Option<Duration>)> {
        if fate == Fate::Reset {
            // What was not read makes it a reset.
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let body = read_body(client, head, early)?;
        let whole = match fate {
            Fate::Reset | Fate::CutRequest => {
                let mut store = self.send(head, &body[..body.len() / 2])?;
                store.shutdown(Shutdown::Both)?;
                let _ = store.read(&mut [0]);
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Fate::Answer(status, code) => return Ok((refusal(status, code), None)),
            Fate::Hang => {
                let (released, told) = &self.released;
                let mut released = lock(released);
                while !*released {
                    released = told.wait(released).expect("no panic");
                }
                return Err(io::ErrorKind::TimedOut.into());
            }
            Fate::Pass | Fate::LoseAnswer | Fate::CutAnswer | Fate::Drip(_) | Fate::Replace(_) => {
                let mut answer = Vec::new();
                self.send(head, &body)?.read_to_end(&mut answer)?;
                answer
            }
        };
        match fate {
            Fate::LoseAnswer => Err(io::ErrorKind::ConnectionReset.into()),
            Fate::CutAnswer => Ok((whole[..whole.len() / 2].to_vec(), None)),
            Fate::Drip(pause) => Ok((whole, Some(pause))),
            Fate::Replace(body) => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                Ok(([head.into_bytes(), body].concat(), None))
            }
            Fate::Pass | Fate::Answer(..) | Fate::Reset | Fate::CutRequest | Fate::Hang => {
                Ok((whole, None))
            }
        }
    }

    /// A request to the store, whose end is that of its answer.
    fn send(&self, head: &str, body: &[u8]) -> io::Result<TcpStream> {
        let mut store = TcpStream::connect(self.upstream)?;
        let lines = head.lines().filter(|line| !is_header(line, "connection"));
        let lines: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        write!(store, "{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))?;
        // A store that refuses early reads no more.
        let _ = store.write_all(body);
        Ok(store)
    }
}

impl Request {
    fn of(head: &str) -> Option<Request> {
        let mut words = head.split_whitespace();
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(Request { method, target, fate: Fate::Pass })
    }
}

/// The head with its empty line, and what came with it of the body.
pub fn read_head(client: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut block = [0; 16 * 1024];
    loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let body = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
            return Ok((head, body));
        }
        match client.read(&mut block)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => bytes.extend_from_slice(&block[..length]),
        }
    }
}

/// The rest of the body, whose beginning came with the head.
pub fn read_body(client: &mut TcpStream, head: &str, mut body: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = head.lines().find(|line| is_header(line, "content-length"));
    let length = length.and_then(|line| line.split(':').nth(1)?.trim().parse().ok()).unwrap_or(0);
    let come = body.len();
    body.resize(length, 0);
    if come < length {
        client.read_exact(&mut body[come..])?;
    }
    Ok(body)
}

/// Whether a line of a head is this header.
pub fn is_header(line: &str, name: &str) -> bool {
    line.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name))
}

fn refusal(status: u16, code: &str) -> Vec<u8> {
    let body = format!(
        "<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a test</Message></Error>"
    );
    let head = format!(
        "HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    format!("{head}{body}").into_bytes()
}

/// Draws fates: this share of requests is ruined, each time the same for the same seed (SplitMix64).
pub struct Dice {
    state: u64,
    share: f64,
}

impl Dice {
    /// `share` from 0 to 1.
    pub fn new(seed: u64, share: f64) -> Dice {
        Dice { state: seed, share }
    }

    /// The next number, below 2^64.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below another.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn fate(&mut self) -> Fate {
        const FATES: [Fate; 6] = [
            Fate::Answer(503, "SlowDown"),
            Fate::Answer(500, "InternalError"),
            Fate::Reset,
            Fate::CutRequest,
            Fate::LoseAnswer,
            Fate::CutAnswer,
        ];
        // 53 bits are what a float holds.
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        if drawn >= self.share {
            return Fate::Pass;
        }
        FATES[usize::try_from(self.below(6)).expect("a few")].clone()
    }
}

/// A seed: that of the environment, or a new one. It is printed, so that a failure can be had again.
pub fn seed() -> u64 {
    let named = std::env::var("STAGEWIRE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = named.unwrap_or_else(|| u64::from(uuid::Uuid::new_v4().as_fields().0));
    eprintln!("STAGEWIRE_TEST_SEED={seed}");
    seed
}
