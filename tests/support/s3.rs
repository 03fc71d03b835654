//! The least of an S3 client: two signed GETs, to see what a store holds that no stage shows.
//! Source: "Signature Version 4 signing process" of the AWS documentation.

use std::net::ToSocketAddrs;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::http;

/// What a query can't hold as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The bucket that the environment names.
pub struct Bucket {
    pub name: String,
    pub endpoint: String,
    pub region: String,
    pub key: String,
    pub secret: String,
}

impl Bucket {
    /// `None`, which is announced, where the environment names none. CI has to name one.
    pub fn from_env() -> Option<Bucket> {
        let var = |name: &str| std::env::var(format!("STAGEWIRE_TEST_S3_{name}")).ok();
        let Some(endpoint) = var("ENDPOINT") else {
            assert!(std::env::var_os("CI").is_none(), "STAGEWIRE_TEST_S3_ENDPOINT is not set");
            eprintln!("skipped: STAGEWIRE_TEST_S3_ENDPOINT is not set");
            return None;
        };
        let needed = |name: &str| var(name).unwrap_or_else(|| panic!("{name} is not set"));
        Some(Bucket {
            name: needed("BUCKET"),
            endpoint,
            region: needed("REGION"),
            key: needed("KEY"),
            secret: needed("SECRET"),
        })
    }

    /// The connection options of a stage here.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ENDPOINT_URL", self.endpoint.clone()),
            ("REGION", self.region.clone()),
            ("ACCESS_KEY_ID", self.key.clone()),
            ("SECRET_ACCESS_KEY", self.secret.clone()),
        ]
    }

    /// The keys below a prefix.
    pub fn objects(&self, prefix: &str) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        loop {
            let last = found.last().map(String::as_str).unwrap_or_default();
            let last = utf8_percent_encode(last, ESCAPED).to_string();
            let page = self.keys(&[("list-type", "2"), ("prefix", prefix), ("start-after", &last)]);
            if page.is_empty() {
                return found;
            }
            found.extend(page);
        }
    }

    /// The keys of multi-part uploads below a prefix that were neither completed nor aborted.
    pub fn unfinished_uploads(&self, prefix: &str) -> Vec<String> {
        self.keys(&[("prefix", prefix), ("uploads", "")])
    }

    /// `query` is sorted, and escaped but for slashes.
    fn keys(&self, query: &[(&str, &str)]) -> Vec<String> {
        let query: Vec<String> =
            query.iter().map(|(k, v)| format!("{k}={}", v.replace('/', "%2F"))).collect();
        let (path, query) = (format!("/{}", self.name), query.join("&"));
        let authority = self.endpoint.strip_prefix("http://").expect("a store without TLS");
        let authority = authority.trim_end_matches('/');
        let time = Timestamp::now().strftime("%Y%m%dT%H%M%SZ").to_string();
        let empty = hex(&Sha256::digest(b""));
        let signed = "host;x-amz-content-sha256;x-amz-date";
        let request = format!(
            "GET\n{path}\n{query}\nhost:{authority}\nx-amz-content-sha256:{empty}\n\
             x-amz-date:{time}\n\n{signed}\n{empty}"
        );
        let scope = format!("{}/{}/s3/aws4_request", &time[..8], self.region);
        let request = hex(&Sha256::digest(request.as_bytes()));
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}");
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for part in [&time[..8], &self.region, "s3", "aws4_request"] {
            key = hmac(&key, part.as_bytes());
        }
        let signature = hex(&hmac(&key, text.as_bytes()));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={signed}, Signature={signature}",
            self.key
        );
        let headers = [
            ("x-amz-content-sha256", empty.as_str()),
            ("x-amz-date", &time),
            ("Authorization", &authorization),
        ];
        let addr = authority.to_socket_addrs().expect("an address").next().expect("an address");
        let answer = http::get(addr, authority, &format!("{path}?{query}"), &headers);
        assert_eq!(answer.status, 200, "{}", answer.body);
        // XML escapes what no key of a test has.
        let keys = answer.body.split("<Key>").skip(1);
        keys.filter_map(|rest| rest.split("</Key>").next().map(str::to_owned)).collect()
    }
}

/// Source: RFC 2104. No key here is longer than a block.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text);
    let outer = Sha256::new().chain_update(block.map(|byte| byte ^ 0x5C));
    outer.chain_update(inner.finalize()).finalize().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
