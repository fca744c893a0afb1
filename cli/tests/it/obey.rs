//! An application that started its plugins from the records of a state folder does within a second what `plugwork` writes there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugwork::{Preload, Runtime, Start};
use plugwork_component::PackageFolder;
use plugwork_core::lifecycle::Stage;
use plugwork_store::Store;

use crate::component::{outcomes, with_manifest, with_text};
use crate::place::Place;

/// What is promised is a second; a busy machine may take longer to tell us.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the only installation of that runtime is.
fn stage(runtime: &Runtime) -> Option<Stage> {
    runtime.status().first().map(|status| status.state.stage())
}

async fn reaches(runtime: &Runtime, wanted: Stage) {
    let began = Instant::now();
    while stage(runtime) != Some(wanted) {
        assert!(began.elapsed() < PATIENCE, "{:?} instead of {wanted}", runtime.status());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_application_enables_disables_and_stops_what_the_command_says() {
    let place = Place::new();
    place.write("a.wasm", with_manifest(&outcomes(), ""));
    place.run(&["add", "a.wasm", "--yes"]).exits(0);
    let store = Arc::new(Store::open(&place.path("state/store")).await.unwrap());
    let builder = Runtime::in_memory().records(store).packages(Arc::new(PackageFolder::new(place.path("state/packages"))));
    let runtime = builder.open().await.unwrap();
    let started = runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, stage(&runtime)), (0, Some(Stage::Installed)));
    place.run(&["enable", "test:plugin", "--weight", "7"]).exits(0);
    reaches(&runtime, Stage::Active).await;
    assert_eq!(runtime.status()[0].weight, 7);
    place.run(&["disable", "test:plugin"]).exits(0);
    reaches(&runtime, Stage::Installed).await;
    place.run(&["enable", "test:plugin"]).exits(0);
    reaches(&runtime, Stage::Active).await;
    // An update is for the next start: what runs goes on.
    place.write("b.wasm", with_text(&outcomes(), "name = \"test:plugin\"\nversion = \"0.2.0\"\n"));
    place.run(&["update", "test:plugin", "b.wasm"]).exits(0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((stage(&runtime), runtime.status()[0].version.as_deref()), (Some(Stage::Active), Some("0.1.0")));
    runtime.close().await.unwrap();
    // What is enabled is found by the next one, in the version that was approved last.
    let store = Arc::new(Store::open(&place.path("state/store")).await.unwrap());
    let builder = Runtime::in_memory().records(store).packages(Arc::new(PackageFolder::new(place.path("state/packages"))));
    let runtime = builder.open().await.unwrap();
    let started = runtime.start(Start { preload: Preload::All, ..Start::default() }).await.unwrap();
    assert_eq!((started.active, runtime.status()[0].version.as_deref(), runtime.status()[0].weight), (1, Some("0.2.0"), 7));
    place.run(&["revoke", "test:plugin"]).exits(0);
    reaches(&runtime, Stage::Suspended).await;
    runtime.close().await.unwrap();
}
