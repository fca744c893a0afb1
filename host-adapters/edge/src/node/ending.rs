//! Ending what nothing uses any more: after the last request of a deployment that was replaced, or at once where a change came to nothing.
//!
//! Easily got wrong: a change that came to nothing leaves everything as it was, also a plugin that had been stopped, or whose consent had been taken back, and
//! that was prepared anew for it: that one is stopped again, and what was served before takes its name back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Node;
use crate::live::{Live, Mounted};
use crate::mount::{Mount, MountKey, Mounts};
use crate::usage;

impl Node {
    /// Waits for the requests of what was served before, for as long as they may take, then ends what nothing uses any more.
    pub(super) async fn retire(&self, before: Arc<Live>) {
        let (mut pause, began) = (Duration::from_millis(5), Instant::now());
        while Arc::strong_count(&before) > 1 {
            if began.elapsed() >= self.settings().drain() {
                before.end();
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
        drop(before);
        let mut mounts = self.0.mounts.lock().await;
        self.end_unused(&mut mounts).await;
    }

    /// Ends at once what was made for a deployment that came to nothing, and gives what it would have replaced its place back.
    pub(super) async fn sweep(&self, mounts: &mut Mounts, failed: bool) {
        if !failed {
            return;
        }
        self.end_unused(mounts).await;
        let live = self.live();
        for Mounted { mount, .. } in live.serving.values().flat_map(|serving| serving.all_mounts().into_values()) {
            if mount.is_closed() {
                mounts.entry(mount.known_as()).or_insert_with(|| mount.clone());
                mount.open_again();
            }
        }
    }

    pub(super) async fn end_unused(&self, mounts: &mut Mounts) {
        // Every deployment that is served, or that a request still holds, has its own hold of its plugins.
        let unused: Vec<MountKey> = mounts.iter().filter(|(_, mount)| Arc::strong_count(mount) == 1).map(|(key, _)| key.clone()).collect();
        for key in unused {
            let Some(mount) = mounts.remove(&key) else { continue };
            // It was to take the place of one that is served, which goes on under its name.
            let goes_on = self.serves(&mount);
            usage::last_look(self, &mount, goes_on);
            if goes_on && mount.is_unrecorded() {
                // Disabled it would keep a consent that was given for nothing, and could be enabled by it.
                let subject = mount.installation.subject();
                drop(self.0.runtime.revoke(&subject, "plugwork serve", "its deployment came to nothing").await);
            } else if mount.is_active() {
                // Where that fails it stays enabled and is called by nobody.
                drop(mount.installation.disable("plugwork serve", "no deployment uses it").await);
            }
            if !goes_on {
                self.0.secrets.forget(&key.0, &key.1);
            }
        }
    }

    /// Whether there is one of its name among what is served.
    fn serves(&self, mount: &Mount) -> bool {
        let live = self.0.live.load();
        live.serving.get(&mount.key).is_some_and(|serving| serving.all_mounts().contains_key(mount.label.as_str()))
    }
}
