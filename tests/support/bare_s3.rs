//! The least of an S3 store, in memory: objects, and what it is told of unfinished uploads. It asks nobody who he is or
//! what time it is: so servers whose clocks differ can share it.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use jiff::{SignedDuration, Timestamp};
use percent_encoding::percent_decode_str;

use super::proxy::{is_header, read_body, read_head};

/// Runs until the tests end.
pub struct BareS3 {
    pub addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Vec<u8>>,
    /// Uploads that somebody has left, and since when.
    unfinished: Vec<(String, Timestamp)>,
}

impl BareS3 {
    pub fn start() -> BareS3 {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = listener.local_addr().expect("an address");
        let state = Arc::new(Mutex::new(State::default()));
        let serving = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let state = Arc::clone(&serving);
                thread::spawn(move || serve(client, &state).ok());
            }
        });
        BareS3 { addr, state }
    }

    /// The options of a place in it.
    pub fn options(&self) -> [(&'static str, String); 4] {
        [
            ("endpoint_url", format!("http://{}", self.addr)),
            ("region", "us-east-1".to_owned()),
            ("access_key_id", "key".to_owned()),
            ("secret_access_key", "secret".to_owned()),
        ]
    }

    /// An upload in parts of this key was begun so long ago, and is left.
    pub fn leave(&self, key: &str, ago: SignedDuration) {
        self.lock().unfinished.push((key.to_owned(), Timestamp::now() - ago));
    }

    /// The keys of those, in the order in which it tells of them.
    pub fn unfinished(&self) -> Vec<String> {
        self.lock().unfinished.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The keys of its objects.
    pub fn keys(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

fn serve(mut client: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let (head, early) = read_head(&mut client)?;
    let body = read_body(&mut client, &head, early)?;
    let mut state = state.lock().expect("no panic");
    let (status, body) = state.answer(&head, body);
    drop(state);
    let now = Timestamp::now();
    let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT");
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status} .\r\nDate: {date}\r\nLast-Modified: {date}\r\nETag: \"{:x}\"\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n",
        now.as_nanosecond()
    )?;
    if !head.starts_with("HEAD ") {
        client.write_all(&body)?;
    }
    Ok(())
}

impl State {
    fn answer(&mut self, head: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let mut words = head.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return (400, Vec::new());
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        // The bucket is the first segment.
        let key = path.trim_start_matches('/').split_once('/').map_or("", |(_, key)| key);
        let key = decoded(key);
        let asked = |name: &str| {
            let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
            pairs.filter(|(known, _)| *known == name).map(|(_, value)| decoded(value)).next()
        };
        match method {
            "GET" if asked("uploads").is_some() => (200, self.uploads()),
            "GET" if asked("uploadId").is_some() => (200, b"<ListPartsResult/>".to_vec()),
            "DELETE" if asked("uploadId").is_some() => {
                self.unfinished.retain(|(known, _)| *known != key);
                (204, Vec::new())
            }
            "GET" if asked("list-type").is_some() => (
                200,
                self.listing(
                    &asked("prefix").unwrap_or_default(),
                    &asked("delimiter").unwrap_or_default(),
                ),
            ),
            "GET" | "HEAD" => match self.objects.get(&key) {
                Some(object) => (200, object.clone()),
                None => (404, b"<Error><Code>NoSuchKey</Code></Error>".to_vec()),
            },
            "PUT" if is_conditional(head) && self.objects.contains_key(&key) => {
                (412, b"<Error><Code>PreconditionFailed</Code></Error>".to_vec())
            }
            "PUT" => {
                self.objects.insert(key, body);
                (200, Vec::new())
            }
            "DELETE" => {
                self.objects.remove(&key);
                (204, Vec::new())
            }
            "POST" if asked("delete").is_some() => {
                let text = String::from_utf8_lossy(&body).into_owned();
                for key in text.split("<Key>").skip(1).filter_map(|key| key.split("</Key>").next())
                {
                    self.objects.remove(key);
                }
                (200, b"<DeleteResult></DeleteResult>".to_vec())
            }
            _ => (400, Vec::new()),
        }
    }

    fn uploads(&self) -> Vec<u8> {
        let uploads = self.unfinished.iter().map(|(key, begun)| {
            format!(
                "<Upload><Key>{key}</Key><UploadId>1</UploadId><Initiated>{begun}</Initiated></Upload>"
            )
        });
        let uploads: String = uploads.collect();
        format!("<ListMultipartUploadsResult>{uploads}</ListMultipartUploadsResult>").into_bytes()
    }

    fn listing(&self, prefix: &str, delimiter: &str) -> Vec<u8> {
        let (mut text, mut below) = (String::new(), Vec::new());
        for (key, object) in self.objects.iter().filter(|(key, _)| key.starts_with(prefix)) {
            match key[prefix.len()..].split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                Some((dir, _)) => below.push(format!("{prefix}{dir}{delimiter}")),
                None => {
                    text += &format!(
                        "<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00Z</LastModified>\
                         <ETag>\"0\"</ETag><Size>{}</Size></Contents>",
                        object.len()
                    );
                }
            }
        }
        below.dedup();
        for dir in below {
            text += &format!("<CommonPrefixes><Prefix>{dir}</Prefix></CommonPrefixes>");
        }
        let (open, close) = ("<ListBucketResult>", "</ListBucketResult>");
        format!("{open}<IsTruncated>false</IsTruncated>{text}{close}").into_bytes()
    }
}

fn is_conditional(head: &str) -> bool {
    head.lines().any(|line| is_header(line, "if-none-match"))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
