//! Asking running hosts. What a host answers, and the socket on which it does, is `plugwork::observer`: any application opens one, and so does every
//! verb that runs plugins.

pub(crate) mod ask;
