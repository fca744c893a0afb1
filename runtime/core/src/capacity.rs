//! How many plugins and instances one process can hold before the kernel says no, and how that is told. Measured costs and plain sums; reading the
//! process's limits is the host's business.
//!
//! What a reader may get wrong: past the limit of memory maps it is not the plugin that fails but `malloc`, and with it the process. So what
//! plugins may have ends well below what the kernel allows.

use std::fmt;

use serde::Serialize;

/// Memory maps of one loaded plugin. Measured with 10,000 different ones: code, its image and their guards.
pub const LOADED_MAPS: u64 = 3;
/// Descriptors of one loaded plugin: the sealed file that its code is mapped from.
pub const LOADED_DESCRIPTORS: u64 = 1;
/// Memory maps of one live instance. Measured: 4 in Rust and Python, 3 in JavaScript.
pub const INSTANCE_MAPS: u64 = 4;
/// Memory maps of one slot of a pool, made when the pool is made and kept whether it is used or not.
pub const SLOT_MAPS: u64 = 2;
/// Memory maps that are left for everything else that the process does later: threads, files, the allocator.
pub const MAPS_RESERVE: u64 = 5_000;
/// The part of all descriptors, one in that many, that is left for connections and files.
pub const DESCRIPTORS_RESERVE_PART: u64 = 4;

/// What the kernel allows this process, and what it had taken before any plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    /// `vm.max_map_count`.
    pub maps_max: u64,
    /// The soft limit RLIMIT_NOFILE.
    pub descriptors_max: u64,
    /// Lines of `/proc/self/maps` at the start.
    pub maps_base: u64,
    /// Entries of `/proc/self/fd` at the start.
    pub descriptors_base: u64,
}

/// What is held, or would be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Plugins whose code is mapped.
    pub loaded: u64,
    /// Live instances of all plugins.
    pub instances: u64,
}

/// What plugins may take of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Capacity {
    /// Plugins that can be loaded while none has an instance.
    pub loaded_max: u64,
    /// Instances that can live while next to nothing is loaded; in a pool, its slots at most.
    pub instances_max: u64,
    /// Memory maps for plugins and instances together.
    pub maps_max: u64,
    /// Descriptors for plugins.
    pub descriptors_max: u64,
    slots: Option<u64>,
}

impl Capacity {
    /// What this process leaves for plugins, with a pool of that many slots (0: instances are made on demand).
    pub fn of(process: &Process, slots: u64) -> Self {
        let kept = process.maps_base.saturating_add(MAPS_RESERVE).saturating_add(slots.saturating_mul(SLOT_MAPS));
        let maps_max = process.maps_max.saturating_sub(kept);
        let reserve = process.descriptors_max.div_ceil(DESCRIPTORS_RESERVE_PART);
        let descriptors_max = process.descriptors_max.saturating_sub(process.descriptors_base.saturating_add(reserve));
        let slots = (slots > 0).then_some(slots);
        Self {
            loaded_max: (maps_max / LOADED_MAPS).min(descriptors_max / LOADED_DESCRIPTORS),
            instances_max: (maps_max / INSTANCE_MAPS).min(slots.unwrap_or(u64::MAX)),
            maps_max,
            descriptors_max,
            slots,
        }
    }

    /// Whether there is room for what would be held, the one that asks included.
    ///
    /// # Errors
    /// Names what is scarce: slots of the pool, then memory maps, then descriptors.
    pub fn check(&self, held: Held) -> Result<(), Scarce> {
        self.uses(held).find(|scarce| scarce.held > scarce.limit).map_or(Ok(()), Err)
    }

    /// What is nine tenths used or more, to be told before it is refused.
    pub fn near(&self, held: Held) -> Vec<Scarce> {
        self.uses(held).filter(|scarce| u128::from(scarce.held) * 10 >= u128::from(scarce.limit) * 9).collect()
    }

    fn uses(&self, held: Held) -> impl Iterator<Item = Scarce> {
        let maps = held.loaded.saturating_mul(LOADED_MAPS).saturating_add(held.instances.saturating_mul(INSTANCE_MAPS));
        let descriptors = held.loaded.saturating_mul(LOADED_DESCRIPTORS);
        let slots = self.slots.map(|slots| Scarce { what: Resource::Instances, held: held.instances, limit: slots });
        slots.into_iter().chain([
            Scarce { what: Resource::Maps, held: maps, limit: self.maps_max },
            Scarce { what: Resource::Descriptors, held: descriptors, limit: self.descriptors_max },
        ])
    }
}

/// What there can be too little of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Resource {
    /// Memory maps of the process.
    Maps,
    /// Open files of the process.
    Descriptors,
    /// Slots of the pool of instances.
    Instances,
    /// Instances that one plugin may have at once: [`crate::Limits::instances`].
    PluginInstances,
    /// Places for calls that wait for a guest thread, in one plugin's lane: [`crate::limits::LANE_CALLS_MAX`].
    PluginLane,
    /// The same in all lanes together: [`crate::limits::LANES_CALLS_MAX`].
    Lanes,
    /// Time: a call waited for a guest thread for as long as it may run. Milliseconds.
    LaneTime,
}

/// Too little of something, or nearly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Scarce {
    /// Of what.
    pub what: Resource,
    /// How much is held, or would be.
    pub held: u64,
    /// How much there is for plugins.
    pub limit: u64,
}

impl Scarce {
    /// One plugin would have that many instances at once, where so many are allowed.
    pub fn plugin_instances(held: u64, limit: u64) -> Self {
        Self { what: Resource::PluginInstances, held, limit }
    }

    /// A stable code for machines.
    pub fn code(&self) -> &'static str {
        match self.what {
            Resource::Maps => "E-CAPACITY-MAPS",
            Resource::Descriptors => "E-CAPACITY-DESCRIPTORS",
            Resource::Instances => "E-CAPACITY-INSTANCES",
            Resource::PluginInstances => "E-LIMIT-INSTANCES",
            Resource::PluginLane => "E-LIMIT-LANE",
            Resource::Lanes => "E-CAPACITY-LANES",
            Resource::LaneTime => "E-CAPACITY-LANE-TIME",
        }
    }

    /// What would make room.
    pub fn hint(&self) -> &'static str {
        match self.what {
            Resource::Maps => "`sysctl -w vm.max_map_count=1048576`, or fewer plugins at once; then start the host again",
            Resource::Descriptors => "`ulimit -n 1048576` (systemd: `LimitNOFILE=`), or fewer plugins at once; then start the host again",
            Resource::Instances => "a larger pool, or instances on demand; see docs/limits.md, \"The engine\"",
            Resource::PluginInstances => "raise the limit `instances` of the plugin, or call it less at once",
            Resource::PluginLane => "call the plugin less at once, or await earlier calls first",
            Resource::Lanes => "more guest threads (`Builder::guest_threads`), or fewer calls at once",
            Resource::LaneTime => "more guest threads (`Builder::guest_threads`), fewer calls at once, or a longer `deadline-ms`",
        }
    }
}

impl fmt::Display for Scarce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, whose) = match self.what {
            Resource::Maps => ("memory maps", "this process has for plugins"),
            Resource::Descriptors => ("descriptors", "this process has for plugins"),
            Resource::Instances => ("instances", "the pool has slots for"),
            Resource::PluginInstances => ("instances", "this plugin may have at once"),
            Resource::PluginLane => ("waiting calls", "this plugin may have in its lane"),
            Resource::Lanes => ("waiting calls", "all plugins may have in their lanes"),
            Resource::LaneTime => ("milliseconds", "the call may take, waiting for a guest thread included, were over before it began"),
        };
        write!(f, "{} {what} of the {} that {whose}\nhint: {}", self.held, self.limit, self.hint())
    }
}

impl std::error::Error for Scarce {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The defaults of most distributions, and what a host had when it was measured.
    const ORDINARY: Process = Process { maps_max: 65_530, descriptors_max: 20_000, maps_base: 530, descriptors_base: 40 };

    fn held(loaded: u64, instances: u64) -> Held {
        Held { loaded, instances }
    }

    #[test]
    fn an_ordinary_process_holds_what_was_measured_and_not_up_to_its_wall() {
        let capacity = Capacity::of(&ORDINARY, 0);
        assert_eq!((capacity.maps_max, capacity.descriptors_max), (60_000, 14_960));
        assert_eq!((capacity.loaded_max, capacity.instances_max), (14_960, 15_000));
        // Measured walls: about 16,300 instances on demand, 19,995 plugins at 20,000 descriptors.
        assert!(capacity.instances_max < 16_300 && capacity.loaded_max < 19_995);
        let raised = Capacity::of(&Process { maps_max: 1 << 20, descriptors_max: 1 << 20, ..ORDINARY }, 0);
        assert!(raised.check(held(10_000, 1_000)).is_ok());
    }

    #[test]
    fn a_pool_takes_its_maps_before_it_is_used_and_ends_at_its_slots() {
        let capacity = Capacity::of(&ORDINARY, 1_000);
        assert_eq!((capacity.maps_max, capacity.instances_max), (58_000, 1_000));
        assert_eq!(capacity.check(held(0, 1_000)), Ok(()));
        let scarce = capacity.check(held(0, 1_001)).unwrap_err();
        assert_eq!((scarce.what, scarce.held, scarce.limit, scarce.code()), (Resource::Instances, 1_001, 1_000, "E-CAPACITY-INSTANCES"));
        // Six maps for each slot in use, as `docs/limits.md` says.
        let most = (ORDINARY.maps_max - ORDINARY.maps_base - MAPS_RESERVE) / (SLOT_MAPS + INSTANCE_MAPS);
        assert!(Capacity::of(&ORDINARY, most).check(held(0, most)).is_ok());
        assert!(Capacity::of(&ORDINARY, most + 1).check(held(0, most + 1)).is_err());
    }

    #[test]
    fn each_limit_is_held_at_it_and_refused_one_past_it() {
        let few_files = Capacity::of(&Process { descriptors_max: 1_024, ..ORDINARY }, 0);
        assert_eq!(few_files.loaded_max, 728);
        assert_eq!(few_files.check(held(728, 0)), Ok(()));
        assert_eq!(few_files.check(held(729, 0)).unwrap_err().code(), "E-CAPACITY-DESCRIPTORS");
        let capacity = Capacity::of(&Process { descriptors_max: 1 << 20, ..ORDINARY }, 0);
        assert_eq!(capacity.check(held(20_000, 0)), Ok(()));
        assert_eq!(capacity.check(held(20_001, 0)).unwrap_err().code(), "E-CAPACITY-MAPS");
        assert_eq!(capacity.check(held(0, 15_000)), Ok(()));
        assert_eq!(capacity.check(held(0, 15_001)).unwrap_err().code(), "E-CAPACITY-MAPS");
        // Together they share the maps: 10,000 plugins leave 30,000, which is 7,500 instances.
        assert_eq!(capacity.check(held(10_000, 7_500)), Ok(()));
        let scarce = capacity.check(held(10_000, 7_501)).unwrap_err();
        assert_eq!((scarce.what, scarce.held, scarce.limit), (Resource::Maps, 60_004, 60_000));
    }

    #[test]
    fn it_is_near_at_nine_tenths_and_not_before() {
        let capacity = Capacity::of(&Process { descriptors_max: 1 << 20, ..ORDINARY }, 2_000);
        assert_eq!(capacity.near(held(0, 1_799)), []);
        assert_eq!(capacity.near(held(0, 1_800)), [Scarce { what: Resource::Instances, held: 1_800, limit: 2_000 }]);
        // 56,000 maps: nine tenths are 50,400.
        assert_eq!(capacity.near(held(16_799, 0)), []);
        assert_eq!(capacity.near(held(16_800, 0)), [Scarce { what: Resource::Maps, held: 50_400, limit: 56_000 }]);
        assert_eq!(capacity.near(held(16_800, 1_800)).len(), 2);
    }

    #[test]
    fn a_process_without_room_holds_nothing_and_nothing_overflows() {
        let none = Capacity::of(&Process { maps_max: 5_000, descriptors_max: 0, maps_base: 500, descriptors_base: 40 }, 0);
        assert_eq!((none.loaded_max, none.instances_max), (0, 0));
        assert_eq!(none.check(held(0, 0)), Ok(()));
        assert!(none.check(held(1, 0)).is_err() && none.check(held(0, 1)).is_err());
        let huge = Process { maps_max: u64::MAX, descriptors_max: u64::MAX, maps_base: u64::MAX, descriptors_base: u64::MAX };
        assert!(Capacity::of(&huge, u64::MAX).check(held(u64::MAX, u64::MAX)).is_err());
    }

    #[test]
    fn it_says_how_much_there_is_and_what_to_do() {
        let said = |what| Scarce { what, held: 11, limit: 10 }.to_string();
        assert_eq!(
            said(Resource::Maps),
            "11 memory maps of the 10 that this process has for plugins\n\
             hint: `sysctl -w vm.max_map_count=1048576`, or fewer plugins at once; then start the host again"
        );
        assert!(said(Resource::Descriptors).contains("11 descriptors of the 10") && said(Resource::Descriptors).contains("ulimit -n"));
        assert!(said(Resource::Instances).contains("the pool has slots for"));
        let plugin = Scarce::plugin_instances(65, 64);
        assert_eq!(plugin.code(), "E-LIMIT-INSTANCES");
        assert!(
            plugin.to_string().starts_with("65 instances of the 64 that this plugin may have at once\nhint: raise the limit `instances`")
        );
        assert!(said(Resource::PluginLane).starts_with("11 waiting calls of the 10 that this plugin may have in its lane\nhint: "));
        let late = Scarce { what: Resource::LaneTime, held: 21, limit: 20 };
        assert_eq!(late.code(), "E-CAPACITY-LANE-TIME");
        assert!(late.to_string().starts_with("21 milliseconds of the 20 that the call may take, waiting for a guest thread included"));
    }
}
