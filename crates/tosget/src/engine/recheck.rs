//! Reads back what an earlier run claims, beside the download, and tells claim by claim whether the bytes are good.

use tokio::sync::mpsc;

use crate::coverage::Segment;
use crate::error::Error;
use crate::offload::offload;
use crate::temporary::TemporaryFile;

/// One claim, read back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rechecked {
    pub(super) claim: Segment,
    /// The bytes have the CRC that the journal remembers.
    pub(super) good: bool,
}

/// A reading that is under way. Dropping it stops it after the claim it is at.
#[derive(Debug)]
pub(super) struct Rechecking {
    verdicts: mpsc::Receiver<Result<Rechecked, Error>>,
    left: usize,
}

impl Rechecking {
    pub(super) fn start(temporary: TemporaryFile, claims: Vec<Segment>) -> Self {
        let left = claims.len();
        let (tell, verdicts) = mpsc::channel(16);
        if claims.is_empty() {
            return Self { verdicts, left };
        }
        tokio::spawn(async move {
            for claim in claims {
                let file = temporary.clone();
                let read = offload(move || file.read_back(claim.range)).await;
                let verdict = read.map(|crc| Rechecked {
                    claim,
                    good: crc == Some(claim.crc),
                });
                if tell.send(verdict).await.is_err() {
                    return;
                }
            }
        });
        Self { verdicts, left }
    }

    /// Whether every claim has its verdict.
    pub(super) fn is_done(&self) -> bool {
        self.left == 0
    }

    /// The next verdict; for ever if there is none to come. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Rechecked, Error> {
        match self.verdicts.recv().await {
            Some(verdict) => {
                self.left -= 1;
                verdict
            }
            None => std::future::pending().await,
        }
    }
}
