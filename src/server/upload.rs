//! Files from the client's side, by LOCAL INFILE. Source: the manual's page "LOCAL INFILE Request".

use std::io;

use async_trait::async_trait;

use super::gate::{GateHandle, Stream};
use crate::error::{Error, Result};
use crate::session::{ClientFiles, Fed};

/// The client at the other end of a gate.
pub(super) struct Client<S>(pub(super) GateHandle<S>);

#[async_trait]
impl<S: Stream> ClientFiles for Client<S> {
    async fn request(&mut self, name: &str) -> Result<()> {
        if self.0.uploading() {
            return Err(Error::Internal { what: "a file was asked for inside another".to_owned() });
        }
        self.0.request_file(name).await.map_err(gone)
    }

    async fn next(&mut self) -> Result<Fed> {
        self.0.next_of_file().await.map_err(gone)
    }
}

impl<S: Stream> Client<S> {
    /// Reads what a statement has left of its file, before anything is answered.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        while self.0.uploading() {
            self.0.next_of_file().await?;
        }
        Ok(())
    }
}

fn gone(error: io::Error) -> Error {
    tracing::debug!(%error, "an upload has ended before its file");
    Error::Disconnected { during: "an upload" }
}
