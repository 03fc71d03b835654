//! Whether a file of this machine is on the stage already, before a byte of it is sent: by what it would
//! be stored as, and the MD5 that `LIST` tells of what is stored.
//!
//! Files are packed the same way on both sides, and to the same bytes. Where they are not, for the
//! server's level is another, or where nobody knows the MD5, the file is sent; the server then says
//! itself that nothing has changed.

use std::path::Path;
use std::pin::pin;

use bytes::BytesMut;
use futures::stream::StreamExt;
use md5::{Digest, Md5};
use tokio::io::AsyncReadExt;

use super::connection::Connection;
use super::ls::{Entry, list};
use super::target::Target;
use super::{Failure, Result};
use crate::config::Transfer;
use crate::transfer::compression::{Compression, MAGIC_BYTES};
use crate::transfer::encoder::AutoCompress;
use crate::transfer::form::Form;

/// Bytes that are read at a time.
const BLOCK: usize = 512 * 1024;

/// How files are compared.
#[derive(Debug, Clone, Copy)]
pub struct Compare {
    /// How they are said to be compressed.
    pub declared: Option<Compression>,
    /// How they are compressed on the way.
    pub auto_compress: AutoCompress,
}

impl Compare {
    /// The place of a file with the content that this one would have, if there is one.
    pub async fn is_there(
        &self,
        connection: &mut Connection,
        path: &Path,
        name: &str,
        dir: &Target,
    ) -> Result<Option<Target>> {
        // What can't be read, or not be stored so, is told when it is sent.
        let Ok(form) = self.form(path, name).await else { return Ok(None) };
        let place = dir.below(&form.name);
        let Some(Entry { size, md5: Some(md5), .. }) = stored(connection, &place).await? else {
            return Ok(None);
        };
        let packed = form.is_packed();
        let length = tokio::fs::metadata(path).await.ok().map(|metadata| metadata.len());
        if !packed && length != Some(size) {
            return Ok(None);
        }
        let same = self.digest(path, packed).await.is_ok_and(|found| found == md5);
        Ok(same.then_some(place))
    }

    async fn form(&self, path: &Path, name: &str) -> Result<Form> {
        let file =
            tokio::fs::File::open(path).await.map_err(|error| Failure::local(path, &error))?;
        let mut head = Vec::new();
        let magic = u64::try_from(MAGIC_BYTES).unwrap_or(0);
        let read = file.take(magic).read_to_end(&mut head).await;
        read.map_err(|error| Failure::local(path, &error))?;
        Form::of(name, Some(&head), self.declared, self.auto_compress)
            .map_err(|error| Failure::new(error.to_string()))
    }

    /// The MD5 of what would be stored, in hexadecimal digits.
    async fn digest(&self, path: &Path, packed: bool) -> Result<String> {
        let failed = |error: std::io::Error| Failure::local(path, &error);
        let wrong = |error: crate::error::Error| Failure::new(error.to_string());
        let mut file = tokio::fs::File::open(path).await.map_err(failed)?;
        let mut encoder = match packed {
            true => self.auto_compress.encoder(&Transfer::default()).map_err(wrong)?,
            false => None,
        };
        let mut digest = Md5::new();
        loop {
            let mut block = BytesMut::with_capacity(BLOCK);
            if file.read_buf(&mut block).await.map_err(failed)? == 0 {
                break;
            }
            match &mut encoder {
                None => digest.update(&block),
                Some(encoder) => {
                    let packed = encoder.push(block.freeze()).await.map_err(wrong)?;
                    packed.iter().for_each(|block| digest.update(block));
                }
            }
        }
        if let Some(encoder) = encoder {
            let packed = encoder.finish().await.map_err(wrong)?;
            packed.iter().for_each(|block| digest.update(block));
        }
        Ok(hex::encode(digest.finalize()))
    }
}

/// What is at a place.
async fn stored(connection: &mut Connection, place: &Target) -> Result<Option<Entry>> {
    // Without a pattern: all whose names begin so.
    let pattern = place.pattern();
    let mut entries = pin!(list(connection, place, Some(&pattern)).await?);
    let found = entries.next().await.transpose()?;
    while entries.next().await.transpose()?.is_some() {}
    Ok(found)
}
