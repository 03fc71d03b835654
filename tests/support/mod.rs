//! What the tests share.
#![allow(dead_code, reason = "no test uses all of it")]
#![allow(unreachable_pub, reason = "each test includes this as a private module")]
#![allow(missing_docs, reason = "names and signatures say it")]

pub mod bare_s3;
pub mod client;
pub mod http;
pub mod line;
pub mod mounts;
pub mod one_history;
pub mod process;
pub mod proxy;
pub mod s3;
pub mod server;
pub mod world;
