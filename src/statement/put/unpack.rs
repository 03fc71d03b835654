//! `UNPACK=TAR`: one file of the client's, many on the stage.

use std::sync::Arc;

use bytes::Bytes;
use futures::stream::{self, StreamExt};
use tokio::io::AsyncBufRead;
use tokio::sync::mpsc;
use tokio_util::io::StreamReader;

use super::Put;
use super::ending::Ending;
use super::run::{Fate, Received, Source};
use crate::error::{Error, Result};
use crate::session::{ClientFiles, Fed};
use crate::stage::Files;
use crate::transfer::archive::{Archive, Member};
use crate::transfer::upload::{Options, Upload};

/// Blocks between the client and the archive.
const CHANNEL_BLOCKS: usize = 1;

/// How a client's archive has ended.
enum End {
    /// After so many bytes.
    Whole(u64),
    Declined,
}

impl Put {
    /// Stores the members of the archive that the client was asked for. `Err` ends the statement;
    /// what is stored by then stays, and its fates are told.
    pub(super) async fn unpack(
        &self,
        stage: &Arc<Files>,
        path: &str,
        options: Options,
        files: &mut dyn ClientFiles,
        ending: &mut Ending,
    ) -> Result<Received> {
        let (blocks, incoming) = mpsc::channel(CHANNEL_BLOCKS);
        let incoming = stream::unfold(incoming, |mut incoming| async {
            incoming.recv().await.map(|block| (Ok::<Bytes, std::io::Error>(block), incoming))
        });
        let reader = StreamReader::new(incoming.boxed());
        let (ended, stored) = tokio::join!(
            pass_on(files, blocks),
            self.store_members(stage, path, options, reader, ending)
        );
        Ok(match (ended?, stored) {
            (End::Declined, _) => Received::Declined,
            // As for any file: see `Put::receive`.
            (End::Whole(0), _) => return Err(Error::NoData { file: path.to_owned() }),
            (End::Whole(_), Err(error)) => Received::Failed(error),
            (End::Whole(_), Ok(())) => Received::Unpacked,
        })
    }

    async fn store_members(
        &self,
        stage: &Arc<Files>,
        path: &str,
        mut options: Options,
        reader: impl AsyncBufRead + Send + Unpin + 'static,
        ending: &mut Ending,
    ) -> Result<()> {
        // What was declared is the archive's; its members are looked at.
        let declared = options.source_compression.take();
        let mut archive = Archive::open(path, reader, declared).await?;
        while let Some(member) = archive.next_member().await? {
            let source = self.member(&member);
            let begun = match member.refused {
                Some(why) => Err(Error::BadMember { member: member.path.clone(), why }),
                None => self.upload(stage, &source, options.clone()).and_then(|upload| {
                    let target = upload.target()?;
                    let shown = target.to_string();
                    if ending.is_first_at(target) {
                        Ok(upload)
                    } else {
                        Err(Error::Collision { target: shown })
                    }
                }),
            };
            let received = match begun {
                Ok(upload) => receive(&mut archive, upload).await,
                Err(error) => Err(error),
            };
            match received {
                Ok(upload) => ending.begin(source, upload).await,
                Err(error) => {
                    let broken = matches!(error, Error::BadArchive { .. });
                    ending.ended(Fate::of(source, Err(error)));
                    if broken {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    fn member(&self, member: &Member) -> Source {
        let path = member.path.as_str();
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        let dir = if self.options.keep_paths == Some(false) { "" } else { dir };
        Source {
            path: path.to_owned(),
            name: path.to_owned(),
            target: name.to_owned(),
            dir: dir.to_owned(),
        }
    }
}

/// Takes one member, to its end.
async fn receive(archive: &mut Archive, mut upload: Upload) -> Result<Upload> {
    loop {
        let pushed = match archive.next_block().await {
            Ok(Some(block)) => upload.push(block).await,
            Ok(None) => return Ok(upload),
            Err(error) => Err(error),
        };
        if let Err(error) = pushed {
            upload.abort().await;
            return Err(error);
        }
    }
}

/// Hands on what the client sends, to its end. If nobody wants it any more it is dropped: the client
/// is heard to its end all the same.
async fn pass_on(files: &mut dyn ClientFiles, blocks: mpsc::Sender<Bytes>) -> Result<End> {
    let mut received = 0;
    loop {
        match files.next().await? {
            Fed::Data(block) => {
                received += u64::try_from(block.len()).unwrap_or(u64::MAX);
                let _unwanted = blocks.send(block).await;
            }
            Fed::End => return Ok(End::Whole(received)),
            Fed::Declined => return Ok(End::Declined),
        }
    }
}
