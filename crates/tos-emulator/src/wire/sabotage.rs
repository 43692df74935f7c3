//! Bodies that go wrong on the way: a flipped byte, bytes too many, an end too early, a stall.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{iter, unfold};
use tokio::time::sleep;

use super::socket::{Connection, Ending};
use crate::content::ByteStream;

/// What happens at a point of a body.
#[derive(Clone, Debug)]
pub(crate) enum Mishap {
    End(Arc<Connection>, Ending),
    /// None for ever.
    Stall(Option<Duration>),
}

/// Turns over all bits of the byte at `offset` of the body.
pub(crate) fn flip(body: ByteStream, offset: u64) -> ByteStream {
    let mut start = 0;
    Box::pin(body.map(move |piece| {
        let piece = piece?;
        let index = offset
            .checked_sub(start)
            .map(|index| index as usize)
            .filter(|&index| index < piece.len());
        start += piece.len() as u64;
        Ok(index.map_or(piece.clone(), |index| {
            let mut spoiled = BytesMut::from(&piece[..]);
            spoiled[index] ^= 0xff;
            spoiled.freeze()
        }))
    }))
}

/// Appends `len` bytes that nobody asked for.
pub(crate) fn extend(body: ByteStream, len: u64) -> ByteStream {
    Box::pin(body.chain(filler(len)))
}

/// A body of `len` bytes without meaning.
pub(crate) fn filler(len: u64) -> ByteStream {
    const PIECE: Bytes = Bytes::from_static(&[b'#'; 8192]);
    let mut left = len;
    Box::pin(iter(std::iter::from_fn(move || {
        let piece = PIECE.slice(..left.min(PIECE.len() as u64) as usize);
        left -= piece.len() as u64;
        (!piece.is_empty()).then_some(Ok(piece))
    })))
}

/// Lets `len` bytes through, then has the mishap.
pub(crate) fn interrupt(body: ByteStream, len: u64, mishap: Mishap) -> ByteStream {
    let state = (body, len, Bytes::new(), Some(mishap));
    Box::pin(unfold(state, |(mut body, left, held, mut mishap)| async move {
        if left == 0
            && let Some(mishap) = mishap.take()
        {
            befall(mishap).await;
        }
        let mut piece = if held.is_empty() {
            match body.next().await? {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error), (body, left, held, mishap))),
            }
        } else {
            held
        };
        let before = if mishap.is_some() {
            piece.len().min(usize::try_from(left).unwrap_or(usize::MAX))
        } else {
            piece.len()
        };
        let held = piece.split_off(before);
        let left = left.saturating_sub(before as u64);
        Some((Ok(piece), (body, left, held, mishap)))
    }))
}

async fn befall(mishap: Mishap) {
    match mishap {
        Mishap::End(connection, ending) => {
            connection.end_when_flushed(ending);
            pending::<()>().await;
        }
        Mishap::Stall(Some(duration)) => sleep(duration).await,
        Mishap::Stall(None) => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(pieces: &[&'static str]) -> ByteStream {
        let pieces: Vec<_> = pieces
            .iter()
            .map(|piece| Ok(Bytes::from_static(piece.as_bytes())))
            .collect();
        Box::pin(iter(pieces))
    }

    async fn text(body: ByteStream) -> Vec<u8> {
        body.map(|piece| piece.expect("no error").to_vec())
            .collect::<Vec<_>>()
            .await
            .concat()
    }

    #[tokio::test]
    async fn one_byte_is_flipped_wherever_it_lies() {
        for offset in 0..6 {
            let mut expected = b"abcdef".to_vec();
            expected[offset] ^= 0xff;
            assert_eq!(
                text(flip(body(&["ab", "c", "def"]), offset as u64)).await,
                expected
            );
        }
        assert_eq!(text(flip(body(&["ab"]), 2)).await, b"ab");
    }

    #[tokio::test]
    async fn filler_has_its_length() {
        assert_eq!(text(extend(body(&["ab"]), 20_000)).await.len(), 20_002);
        assert_eq!(text(filler(0)).await, b"");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stall_interrupts_at_its_byte_and_goes_on() {
        for at in 0..6 {
            let mut body = interrupt(
                body(&["ab", "cdef"]),
                at,
                Mishap::Stall(Some(Duration::from_secs(5))),
            );
            let (mut before, start) = (0, tokio::time::Instant::now());
            while let Some(piece) = body.next().await {
                if start.elapsed().is_zero() {
                    before += piece.expect("no error").len() as u64;
                }
            }
            assert_eq!((before, start.elapsed().as_secs()), (at, 5));
        }
    }
}
