//! The members of a tar archive, as it comes: plain, or compressed by gzip, zstd or bzip2.
//!
//! An archive that breaks off is told apart from one that ends, wherever that happens: inside a member,
//! or between two, where only the empty record at the end is missing. Source: "ustar Interchange
//! Format" in POSIX's page on `pax`.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use async_compression::tokio::bufread::{BzDecoder, GzipDecoder, ZstdDecoder};
use bytes::{Bytes, BytesMut};
use futures::stream::StreamExt;
use tokio::io::{AsyncBufRead, AsyncRead, AsyncReadExt, BufReader, ReadBuf};
use tokio_tar::{Entries, Entry, EntryType};

use crate::error::{Error, Result};
use crate::transfer::compression::{Compression, MAGIC_BYTES};

/// A block of a member.
const BLOCK: usize = 256 * 1024;

/// What may stand between two members: long names, attributes. Nobody's are longer, and they are held
/// in memory.
const MAX_BETWEEN: u64 = 1024 * 1024;

/// The empty record that ends an archive; there should be two, but one is what some tools write.
const RECORD: u64 = 512;

type Reader = Watch<Box<dyn AsyncRead + Send + Unpin>>;

/// A tar archive that is being read.
pub struct Archive {
    /// As errors call it.
    name: String,
    entries: Entries<Reader>,
    current: Option<Entry<tokio_tar::Archive<Reader>>>,
    watched: Arc<Watched>,
    begun: bool,
}

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path, with `/`, without `./` in front.
    pub path: String,
    /// Why it can't be stored, if it can't: it is no file.
    pub refused: Option<&'static str>,
}

impl Archive {
    /// An archive of this name. How it is compressed is found out, unless it is declared.
    pub async fn open(
        name: &str,
        mut bytes: impl AsyncBufRead + Send + Unpin + 'static,
        declared: Option<Compression>,
    ) -> Result<Archive> {
        let mut head = Vec::new();
        let magic = u64::try_from(MAGIC_BYTES).unwrap_or(0);
        let read = (&mut bytes).take(magic).read_to_end(&mut head).await;
        read.map_err(|error| broken(name, &error))?;
        let compression =
            declared.or_else(|| Compression::of_bytes(&head)).unwrap_or(Compression::None);
        let whole = BufReader::with_capacity(BLOCK, io::Cursor::new(head).chain(bytes));
        let plain: Box<dyn AsyncRead + Send + Unpin> = match compression {
            Compression::None => Box::new(whole),
            Compression::Gzip => {
                let mut decoder = GzipDecoder::new(whole);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Compression::Zstd => {
                let mut decoder = ZstdDecoder::new(whole);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Compression::Bzip2 => {
                let mut decoder = BzDecoder::new(whole);
                decoder.multiple_members(true);
                Box::new(decoder)
            }
            Compression::Brotli
            | Compression::Deflate
            | Compression::RawDeflate
            | Compression::Parquet
            | Compression::Orc => {
                return Err(Error::Unsupported {
                    what: format!("Unpacking an archive that is {compression}"),
                    hint: Some("send it plain, or compressed by gzip, zstd or bzip2".to_owned()),
                });
            }
        };
        let watched = Arc::new(Watched::default());
        let reader = Watch { inner: plain, watched: Arc::clone(&watched) };
        let entries = tokio_tar::Archive::new(reader).entries();
        let entries = entries.map_err(|error| broken(name, &error))?;
        Ok(Archive { name: name.to_owned(), entries, current: None, watched, begun: false })
    }

    /// The next member; `None` behind the last one. What is left of the one before is passed over.
    /// Directories are no members: they come with what is in them.
    pub async fn next_member(&mut self) -> Result<Option<Member>> {
        loop {
            while self.next_block().await?.is_some() {}
            self.watched.left.store(MAX_BETWEEN, Ordering::Relaxed);
            let next = self.entries.next().await;
            self.watched.left.store(u64::MAX, Ordering::Relaxed);
            let entry = match next {
                Some(entry) => entry.map_err(|error| self.unreadable(&error))?,
                None if self.watched.zeros.load(Ordering::Relaxed) >= RECORD => return Ok(None),
                None => return Err(broken(&self.name, &io::ErrorKind::UnexpectedEof.into())),
            };
            let member = member(&entry).map_err(|error| broken(&self.name, &error))?;
            self.current = Some(entry);
            self.begun = true;
            if member.refused != Some(DIRECTORY) {
                return Ok(Some(member));
            }
        }
    }

    fn unreadable(&self, error: &io::Error) -> Error {
        if self.begun {
            return broken(&self.name, error);
        }
        let why = format!("it does not begin like one ({error})");
        Error::BadArchive { file: self.name.clone(), why }
    }

    /// The next block of the present member; `None` behind its last.
    pub async fn next_block(&mut self) -> Result<Option<Bytes>> {
        let Some(entry) = &mut self.current else { return Ok(None) };
        let mut block = BytesMut::with_capacity(BLOCK);
        let read = entry.read_buf(&mut block).await;
        if read.map_err(|error| broken(&self.name, &error))? == 0 {
            self.current = None;
            return Ok(None);
        }
        Ok(Some(block.freeze()))
    }
}

const DIRECTORY: &str = "it is a directory";

fn member<R: AsyncRead + Unpin>(entry: &Entry<R>) -> io::Result<Member> {
    let bytes = entry.path_bytes()?;
    let path = String::from_utf8_lossy(&bytes).into_owned();
    let refused = match entry.header().entry_type() {
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let exact = path.as_bytes() == &*bytes;
            // Before there was a type for them, directories were files whose names end so.
            let directory = path.ends_with('/').then_some(DIRECTORY);
            directory.or_else(|| (!exact).then_some("its name is not UTF-8"))
        }
        EntryType::Directory | EntryType::XGlobalHeader => Some(DIRECTORY),
        EntryType::Symlink => Some("it is a symbolic link"),
        EntryType::Link => Some("it is a link to another member"),
        EntryType::Char | EntryType::Block => Some("it is a device"),
        EntryType::Fifo => Some("it is a pipe"),
        EntryType::GNULongName
        | EntryType::GNULongLink
        | EntryType::XHeader
        | EntryType::SolarisXHeader
        | EntryType::Other(_)
        | _ => Some("it is of a kind that is not known"),
    };
    let path = path.strip_prefix("./").map_or(path.as_str(), |path| path.trim_start_matches('/'));
    Ok(Member { path: path.to_owned(), refused })
}

fn broken(name: &str, error: &io::Error) -> Error {
    let why = if error.kind() == io::ErrorKind::UnexpectedEof {
        "it breaks off".to_owned()
    } else {
        error.to_string()
    };
    Error::BadArchive { file: name.to_owned(), why }
}

/// What passes through a [`Watch`].
#[derive(Debug)]
struct Watched {
    /// So many bytes may still be read.
    left: AtomicU64,
    /// So many of the last bytes are zero.
    zeros: AtomicU64,
}

impl Default for Watched {
    fn default() -> Watched {
        Watched { left: AtomicU64::new(u64::MAX), zeros: AtomicU64::new(0) }
    }
}

/// A reader that is watched.
struct Watch<R> {
    inner: R,
    watched: Arc<Watched>,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watch<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        std::task::ready!(Pin::new(&mut self.inner).poll_read(cx, into))?;
        let new = into.filled().get(before..).unwrap_or_default();
        let bytes = u64::try_from(new.len()).unwrap_or(u64::MAX);
        let zeros = new.iter().rev().take_while(|byte| **byte == 0).count();
        let zeros = u64::try_from(zeros).unwrap_or(0);
        let earlier = if zeros == bytes { self.watched.zeros.load(Ordering::Relaxed) } else { 0 };
        self.watched.zeros.store(earlier.saturating_add(zeros), Ordering::Relaxed);
        let left = self.watched.left.load(Ordering::Relaxed);
        if bytes > left {
            return Poll::Ready(Err(io::Error::other(
                "what stands between two members is too long",
            )));
        }
        if left != u64::MAX {
            self.watched.left.store(left - bytes, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// An archive of `a`, `d/b` (large) and an empty `c`, with a directory and a link.
    async fn archive() -> Vec<u8> {
        let mut builder = tokio_tar::Builder::new(Vec::new());
        let mut add = async |path: &str, kind: EntryType, content: &[u8]| {
            let mut header = tokio_tar::Header::new_gnu();
            header.set_entry_type(kind);
            header.set_size(u64::try_from(content.len()).expect("fits"));
            header.set_mode(0o644);
            if kind == EntryType::Symlink {
                header.set_link_name("a").expect("a name");
            }
            builder.append_data(&mut header, path, content).await.expect("added");
        };
        add("./a", EntryType::Regular, b"one\n").await;
        add("d/", EntryType::Directory, b"").await;
        add("d/b", EntryType::Regular, &[7; 100_000]).await;
        add("link", EntryType::Symlink, b"").await;
        add(&format!("{}/c", "long".repeat(40)), EntryType::Regular, b"").await;
        builder.into_inner().await.expect("finished")
    }

    async fn unpack(bytes: &[u8]) -> Result<Vec<(String, usize)>> {
        let bytes = io::Cursor::new(bytes.to_vec());
        let mut archive = Archive::open("x.tar", bytes, None).await?;
        let mut found = Vec::new();
        while let Some(member) = archive.next_member().await? {
            let mut size = 0;
            while let Some(block) = archive.next_block().await? {
                size += block.len();
            }
            found.push((member.path, size));
        }
        Ok(found)
    }

    fn expected() -> Vec<(String, usize)> {
        let long = format!("{}/c", "long".repeat(40));
        [("a", 4), ("d/b", 100_000), ("link", 0), (long.as_str(), 0)]
            .map(|(path, size)| (path.to_owned(), size))
            .to_vec()
    }

    #[tokio::test]
    async fn members_come_in_their_order_however_the_archive_is_compressed() {
        let plain = archive().await;
        assert_eq!(unpack(&plain).await.expect("read"), expected());
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("written");
        let gzip = gzip.finish().expect("finished");
        assert_eq!(unpack(&gzip).await.expect("read"), expected());
        let zstd = ::zstd::encode_all(plain.as_slice(), 1).expect("compressed");
        assert_eq!(unpack(&zstd).await.expect("read"), expected());
        assert!(unpack(&gzip[..gzip.len() / 2]).await.is_err());
    }

    #[tokio::test]
    async fn wherever_an_archive_breaks_off_it_is_told() {
        let plain = archive().await;
        let end = plain.len() - 1024;
        for length in (0..=end).step_by(256) {
            assert!(unpack(&plain[..length]).await.is_err(), "{length} of {end}");
        }
        // One of the two records at the end is enough.
        assert!(unpack(&plain[..end + 512]).await.is_ok());
        for text in [&b"id,name\n1,a\n"[..], &[b'x'; 2000]] {
            let error = unpack(text).await.expect_err("no archive");
            assert!(matches!(error, Error::BadArchive { .. }), "{error}");
        }
    }

    #[tokio::test]
    async fn a_name_without_end_is_not_collected() {
        let mut builder = tokio_tar::Builder::new(Vec::new());
        let mut header = tokio_tar::Header::new_gnu();
        header.set_entry_type(EntryType::GNULongName);
        header.set_size(8 << 20);
        header.set_cksum();
        builder.append(&header, vec![b'n'; 8 << 20].as_slice()).await.expect("added");
        let bytes = builder.into_inner().await.expect("finished");
        let error = unpack(&bytes).await.expect_err("too long");
        assert!(error.to_string().contains("too long"), "{error}");
    }
}
