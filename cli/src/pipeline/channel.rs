//! How batches travel between steps: one bounded queue for each step that takes in, filled by every step it takes from.
//!
//! One queue and not one for each input: a step that waited for one of its inputs while another one's queue is full would stop its own
//! source. End of input is a message; a queue that closes without it means that somebody upstream failed, and what came is not whole.

use std::sync::Arc;

use plugwork_points::Batch;
use tokio::sync::mpsc;

/// Batches that may wait in front of one step: with 1 MiB a batch this bounds memory, whatever the length of the table.
const BATCHES_WAITING_MAX: usize = 2;

/// What arrives at a step.
pub(crate) enum Message {
    /// A batch of one of its inputs.
    Batch { input: usize, batch: Arc<Batch> },
    /// One of its inputs is complete.
    End,
}

/// One consumer of a step's tables.
#[derive(Clone)]
pub(crate) struct Consumer {
    pub(crate) sender: mpsc::Sender<Message>,
    /// Which of the consumer's inputs this is.
    pub(crate) input: usize,
    /// Which of an analyzer's tables it wants.
    pub(crate) table: Option<String>,
}

/// Those who take a step's tables.
pub(crate) struct Outlet(pub(crate) Vec<Consumer>);

/// A neighbour has stopped: this step's own work is not at fault.
#[derive(Debug)]
pub(crate) struct Stopped;

impl Outlet {
    /// Hands a batch to everybody who wants it; waits for the slowest.
    pub(crate) async fn send(&self, table: Option<&str>, batch: &Arc<Batch>) -> Result<(), Stopped> {
        for consumer in self.0.iter().filter(|consumer| consumer.table.as_deref() == table) {
            let message = Message::Batch { input: consumer.input, batch: batch.clone() };
            consumer.sender.send(message).await.map_err(|_| Stopped)?;
        }
        Ok(())
    }

    /// Tells everybody that this was all.
    pub(crate) async fn end(self) -> Result<(), Stopped> {
        for consumer in self.0 {
            consumer.sender.send(Message::End).await.map_err(|_| Stopped)?;
        }
        Ok(())
    }
}

/// A step's queue.
pub(crate) struct Inlet {
    receiver: mpsc::Receiver<Message>,
    open: usize,
}

impl Inlet {
    /// A queue for `inputs` inputs, and what fills it.
    pub(crate) fn new(inputs: usize) -> (mpsc::Sender<Message>, Self) {
        let (sender, receiver) = mpsc::channel(BATCHES_WAITING_MAX);
        (sender, Self { receiver, open: inputs })
    }

    /// The next batch and its input; `None` when all inputs are complete.
    pub(crate) async fn next(&mut self) -> Result<Option<(usize, Arc<Batch>)>, Stopped> {
        while self.open > 0 {
            match self.receiver.recv().await.ok_or(Stopped)? {
                Message::Batch { input, batch } => return Ok(Some((input, batch))),
                Message::End => self.open -= 1,
            }
        }
        Ok(None)
    }
}
