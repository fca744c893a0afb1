//! What a late call waited for, and so whether it says anything of its plugin that it was late.
//!
//! Not here: how that was measured, which is for whoever ran the call (`call`, `room`). Easily got wrong: what the client kept waiting is no more than what
//! the guest did not work meanwhile; whoever measures takes that off first.

use std::time::Duration;

use crate::error::Error;

/// The time of a call whose deadline is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lateness {
    /// All of it, with what it waited before it began.
    pub(crate) ran: Duration,
    /// What it waited before it began.
    pub(crate) queued: Duration,
    /// What its client kept it waiting.
    pub(crate) client: Duration,
}

impl Lateness {
    /// The error of that call. It says nothing against the plugin where half of the time, or more, went by in line or for the client.
    pub(crate) fn tell(self, error: Error) -> Error {
        let error = if self.client * 2 >= self.ran { error.by_client() } else { error };
        if (self.queued + self.client) * 2 >= self.ran { error.hurried() } else { error }
    }
}

#[cfg(test)]
mod tests {
    use plugwork_core::Fault;

    use super::*;

    /// Whether it is a fault of the plugin, and whether the client is to be told so, after waiting so long of 100 ms.
    fn told(queued_ms: u64, client_ms: u64) -> (bool, bool) {
        let ms = Duration::from_millis;
        let error = Error::from_fault(Fault::Deadline { limit_ms: 100, ran_ms: 100 });
        let error = Lateness { ran: ms(100), queued: ms(queued_ms), client: ms(client_ms) }.tell(error);
        (Error::says_of_plugin(Some(&error)) == Some(true), error.is_for_the_client())
    }

    #[test]
    fn a_call_that_waited_for_half_of_its_time_is_no_fault_of_its_plugin() {
        assert_eq!(told(0, 0), (true, false));
        assert_eq!(told(49, 0), (true, false));
        assert_eq!(told(50, 0), (false, false));
        assert_eq!(told(25, 24), (true, false));
        assert_eq!(told(25, 25), (false, false), "neither alone, both together");
    }

    #[test]
    fn a_client_is_told_where_half_of_the_time_went_by_for_it() {
        assert_eq!(told(0, 49), (true, false));
        assert_eq!(told(0, 50), (false, true));
        assert_eq!(told(50, 50), (false, true));
    }
}
