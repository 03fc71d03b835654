//! What OpenDAL does by itself for a file or a listing on S3: the library that stages are made on, with nothing around
//! it. What it reaches here, no stage gets more of.
//!
//! ```text
//! opendal put FILE KEY | get KEY FILE | list PREFIX/
//! ```
//!
//! The bucket is the tests', `STAGEWIRE_TEST_S3_*`.

use std::io::Write;

use futures::TryStreamExt;
use opendal::{Operator, services};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// As a stage cuts files, unless it is told otherwise.
const PART_BYTES: usize = 8 << 20;
const PARTS_IN_FLIGHT: usize = 4;

/// What is read of a file at a time, as much as a client of ours sends.
const BLOCK_BYTES: usize = 512 << 10;

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    opendal::install_default();
    let bucket = bucket()?;
    match arguments[..] {
        ["put", file, key] => put(&bucket, file, key).await,
        ["get", key, file] => get(&bucket, key, file).await,
        ["list", prefix] => list(&bucket, prefix).await,
        _ => Err("opendal put FILE KEY | get KEY FILE | list PREFIX/".into()),
    }
}

fn bucket() -> Result<Operator> {
    let of = |name: &str| std::env::var(format!("STAGEWIRE_TEST_S3_{name}"));
    let builder = services::S3::default()
        .bucket(&of("BUCKET")?)
        .endpoint(&of("ENDPOINT")?)
        .region(&of("REGION")?)
        .access_key_id(&of("KEY")?)
        .secret_access_key(&of("SECRET")?);
    Ok(Operator::new(builder)?)
}

async fn put(bucket: &Operator, file: &str, key: &str) -> Result<()> {
    let mut file = tokio::fs::File::open(file).await?;
    file.set_max_buf_size(BLOCK_BYTES);
    let mut writer = bucket.writer_with(key).chunk(PART_BYTES).concurrent(PARTS_IN_FLIGHT).await?;
    loop {
        let mut block = Vec::with_capacity(BLOCK_BYTES);
        if file.read_buf(&mut block).await? == 0 {
            break;
        }
        writer.write(block).await?;
    }
    writer.close().await?;
    Ok(())
}

async fn get(bucket: &Operator, key: &str, file: &str) -> Result<()> {
    let mut file = tokio::fs::File::create(file).await?;
    let reader = bucket.reader_with(key).chunk(PART_BYTES).concurrent(PARTS_IN_FLIGHT).await?;
    let mut blocks = reader.into_stream(..).await?;
    while let Some(block) = blocks.try_next().await? {
        file.write_all(&block.to_bytes()).await?;
    }
    file.flush().await?;
    Ok(())
}

async fn list(bucket: &Operator, prefix: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let mut lister = bucket.lister_with(prefix).recursive(true).await?;
    while let Some(entry) = lister.try_next().await? {
        writeln!(out, "{} {}", entry.metadata().content_length(), entry.path())?;
    }
    Ok(())
}
