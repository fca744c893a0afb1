//! One version of a plugin in 48 bytes, and one dependency in eight: numbers that lead to what many have in common.
//!
//! What a reader may get wrong: nothing is cut off. What does not fit into a few bits is held as it is and led to by a number as well.

use semver::Version;

use super::interned::Interned;
use crate::{Dependency, Digest, Target};

/// One version. Its dependencies and its interfaces are mostly those of the version before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed {
    pub(super) digest: Digest,
    /// Three numbers of 20 bits, or that of a version that is written out; and two marks.
    version: u64,
    /// The list of its dependencies.
    pub(super) needs: u32,
    /// The list of what it imports and exports.
    pub(super) sides: u32,
}

/// Set where the version is written out.
const WRITTEN: u64 = 1 << 63;
/// Set where nothing speaks against it.
const CLEAN: u64 = 1 << 62;
const PART_BITS: u32 = 20;
const PART: u64 = (1 << PART_BITS) - 1;

impl Packed {
    pub(super) fn new(version: &Version, is_clean: bool, written: &mut Interned<Version>, digest: Digest, needs: u32, sides: u32) -> Self {
        let parts = [version.major, version.minor, version.patch];
        let packed = if version.pre.is_empty() && version.build.is_empty() && parts.iter().all(|part| *part <= PART) {
            parts.iter().fold(0, |packed, part| packed << PART_BITS | part)
        } else {
            WRITTEN | u64::from(written.intern(version, || version.clone()))
        };
        Self { digest, version: packed | if is_clean { CLEAN } else { 0 }, needs, sides }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.version & CLEAN != 0
    }

    pub(super) fn version(&self, written: &Interned<Version>) -> Version {
        if self.version & WRITTEN != 0 {
            return written.value(self.version as u32).clone();
        }
        let part = |at: u32| self.version >> (at * PART_BITS) & PART;
        Version::new(part(2), part(1), part(0))
    }
}

/// One dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Needed {
    /// The number of a name, or of the name of an interface where that is marked in `range`.
    target: u32,
    /// The number of a range; and three marks.
    range: u32,
}

const INTERFACE: u32 = 1 << 31;
const OPTIONAL: u32 = 1 << 30;
const PEER: u32 = 1 << 29;

impl Needed {
    pub(super) fn new(dependency: &Dependency, target: u32, range: u32) -> Self {
        let marks =
            [(matches!(dependency.target, Target::Interface(_)), INTERFACE), (dependency.optional, OPTIONAL), (dependency.peer, PEER)];
        Self { target, range: marks.iter().filter(|(is_set, _)| *is_set).fold(range, |range, (_, mark)| range | mark) }
    }

    /// The number of what it is on: of an interface where `is_interface`, else of a plugin.
    pub(super) fn target(self) -> u32 {
        self.target
    }

    pub(super) fn is_interface(self) -> bool {
        self.range & INTERFACE != 0
    }

    pub(super) fn range(self) -> u32 {
        self.range & (PEER - 1)
    }

    pub(super) fn is_optional(self) -> bool {
        self.range & OPTIONAL != 0
    }

    pub(super) fn is_peer(self) -> bool {
        self.range & PEER != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_comes_out_as_it_went_in() {
        let mut written = Interned::default();
        for text in ["0.0.0", "1.2.3", "1048575.1048575.1048575", "1048576.0.0", "1.0.20261121", "1.0.0-rc.1", "1.0.0+build.5"] {
            let version: Version = text.parse().unwrap();
            for is_clean in [true, false] {
                let packed = Packed::new(&version, is_clean, &mut written, Digest::of(b""), 1, 2);
                assert_eq!((packed.version(&written), packed.is_clean()), (version.clone(), is_clean));
            }
        }
        assert_eq!((written.len(), size_of::<Packed>(), size_of::<Needed>()), (4, 48, 8));
    }
}
