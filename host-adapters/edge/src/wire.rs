//! A client's bytes: which protocol it speaks is read before anything else, and one that takes nothing of what is sent is broken off.
//!
//! Easily got wrong: hyper waits for ever for the first bytes of a connection and for a client that does not read. Both have a deadline here.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::pace::Pace;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    Http1,
    Http2,
}

/// A connection whose first bytes were read already.
pub(crate) struct Wire<S> {
    stream: S,
    first: [u8; PREFACE.len()],
    taken: usize,
    there: usize,
    pace: Pace,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    /// Reads as much as decides. `None`: the client went away before, or spoke neither.
    pub(crate) async fn open(mut stream: S, pace: Pace) -> Option<(Self, Speaks)> {
        let mut first = [0; PREFACE.len()];
        let mut there = 0;
        loop {
            let read = stream.read(&mut first[there..]).await.ok().filter(|read| *read > 0)?;
            there += read;
            let speaks = match (first[..there] == PREFACE[..there], there == PREFACE.len()) {
                (false, _) => Speaks::Http1,
                (true, true) => Speaks::Http2,
                (true, false) => continue,
            };
            return Some((Self { stream, first, taken: 0, there, pace, timer: None }, speaks));
        }
    }
}

impl<S: AsyncWrite + Unpin> Wire<S> {
    /// An error once the client is too far behind.
    fn watch<T>(&mut self, polled: Poll<io::Result<T>>, taken: impl FnOnce(&T) -> usize, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        match polled {
            Poll::Ready(Ok(done)) => {
                if !self.pace.is_even() {
                    self.pace.took(taken(&done), Instant::now());
                    self.timer = None;
                }
                Poll::Ready(Ok(done))
            }
            Poll::Ready(error) => Poll::Ready(error),
            Poll::Pending => {
                self.pace.waits(Instant::now());
                let Some(ends) = self.pace.ends() else { return Poll::Pending };
                let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(ends.into())));
                ready!(timer.as_mut().poll(context));
                Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client takes nothing, or next to nothing")))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.taken < this.there {
            let take = buffer.remaining().min(this.there - this.taken);
            buffer.put_slice(&this.first[this.taken..this.taken + take]);
            this.taken += take;
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut this.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(polled, |taken| *taken, context)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Over TLS what was taken may still stand in a buffer of ours.
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        self.watch(polled, |()| 0, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(polled, |()| 0, context)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(polled, |taken| *taken, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn the_first_bytes_decide_and_none_of_them_is_lost() {
        for (sent, speaks) in [
            (&b"GET / HTTP/1.1\r\n"[..], Some(Speaks::Http1)),
            (b"PRIVATE / HTTP/1.1\r\n", Some(Speaks::Http1)),
            (PREFACE, Some(Speaks::Http2)),
            (b"PRI * HT", None),
            (b"", None),
        ] {
            let (mut client, server) = tokio::io::duplex(64);
            client.write_all(sent).await.unwrap();
            drop(client);
            let opened = Wire::open(server, Pace::new(60_000, 1)).await;
            assert_eq!(opened.as_ref().map(|(_, speaks)| *speaks), speaks, "{sent:?}");
            if let Some((mut wire, _)) = opened {
                let mut read = Vec::new();
                wire.read_to_end(&mut read).await.unwrap();
                assert_eq!(read, sent);
            }
        }
    }

    #[tokio::test]
    async fn a_client_that_takes_nothing_is_broken_off() {
        let (mut client, server) = tokio::io::duplex(8);
        client.write_all(b"GET / HT").await.unwrap();
        let (mut wire, _) = Wire::open(server, Pace::new(20, 1_000)).await.unwrap();
        let error = wire.write_all(&[0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_takes_a_byte_now_and_then_is_broken_off_too() {
        let (mut client, server) = tokio::io::duplex(1);
        client.write_all(b"G").await.unwrap();
        let (mut wire, _) = Wire::open(server, Pace::new(1_000, 1_000)).await.unwrap();
        let reading = tokio::spawn(async move {
            let mut taken = 0;
            while client.read_u8().await.is_ok() {
                taken += 1;
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            taken
        });
        let error = wire.write_all(&[0; 1_000]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(wire);
        assert!((1..10).contains(&reading.await.unwrap()), "each byte came in time, and all of them too late");
    }
}
