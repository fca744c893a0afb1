//! How deep component and instance types are declared within each other, and how many declarations there are.
//!
//! wasmparser reads such declarations recursively, without a limit on depth: three bytes a level are enough to
//! overflow the stack, which ends the process and cannot be caught. So this loop, which keeps its own stack, reads
//! every type section first; nothing recursive sees one before it has passed.

use wasmparser::{BinaryReader, ComponentImport, ComponentType, CoreType, InstanceTypeDeclaration, Result};

const COMPONENT_TYPE: u8 = 0x41;
const INSTANCE_TYPE: u8 = 0x42;
const TYPE_DECLARATION: u8 = 0x01;
const CORE_TYPE_DECLARATION: u8 = 0x00;
const IMPORT_DECLARATION: u8 = 0x03;

/// What a section of component types declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Nesting {
    /// Types and declarations, through all levels.
    pub(crate) declarations: u64,
    /// 1 for types that hold no declarations.
    pub(crate) depth: u64,
}

struct Open {
    left: u32,
    imports_allowed: bool,
}

/// Measures one component type section. Stops early, with what it knows, once `depth` is over `depth_max`: the caller
/// refuses such a section without reading it further.
pub(crate) fn measure(mut reader: BinaryReader<'_>, depth_max: u64) -> Result<Nesting> {
    let mut nesting = Nesting::default();
    let types = reader.read_var_u32()?;
    for _ in 0..types {
        let mut open = Vec::new();
        read_type(&mut reader, &mut open)?;
        nesting.declarations += 1;
        nesting.depth = nesting.depth.max(1);
        while let Some(Open { left, imports_allowed }) = open.last_mut() {
            if *left == 0 {
                open.pop();
                continue;
            }
            *left -= 1;
            let imports_allowed = *imports_allowed;
            nesting.declarations += 1;
            read_declaration(&mut reader, imports_allowed, &mut open)?;
            nesting.depth = nesting.depth.max(open.len() as u64 + 1);
            if nesting.depth > depth_max {
                return Ok(nesting);
            }
        }
    }
    Ok(nesting)
}

fn read_type(reader: &mut BinaryReader<'_>, open: &mut Vec<Open>) -> Result<()> {
    let kind @ (COMPONENT_TYPE | INSTANCE_TYPE) = peek(reader)? else {
        // Every other type holds indexes only, so this call does not recurse.
        return reader.read::<ComponentType<'_>>().map(drop);
    };
    reader.read_u8()?;
    open.push(Open { left: reader.read_var_u32()?, imports_allowed: kind == COMPONENT_TYPE });
    Ok(())
}

fn read_declaration(reader: &mut BinaryReader<'_>, imports_allowed: bool, open: &mut Vec<Open>) -> Result<()> {
    match peek(reader)? {
        TYPE_DECLARATION => {
            reader.read_u8()?;
            read_type(reader, open)
        }
        CORE_TYPE_DECLARATION => {
            reader.read_u8()?;
            reader.read::<CoreType<'_>>().map(drop)
        }
        IMPORT_DECLARATION if imports_allowed => {
            reader.read_u8()?;
            reader.read::<ComponentImport<'_>>().map(drop)
        }
        // Aliases and exports; what is left of the byte's values is an error.
        _ => reader.read::<InstanceTypeDeclaration<'_>>().map(drop),
    }
}

fn peek(reader: &BinaryReader<'_>) -> Result<u8> {
    reader.clone().read_u8()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A section with one type: instance types within each other, `levels` deep in all.
    fn nested(levels: usize) -> Vec<u8> {
        let mut section = vec![1];
        for _ in 1..levels {
            section.extend([INSTANCE_TYPE, 1, TYPE_DECLARATION]);
        }
        section.push(0x7f);
        section
    }

    fn depth(levels: usize, depth_max: u64) -> u64 {
        measure(BinaryReader::new(&nested(levels), 0), depth_max).expect("well formed").depth
    }

    #[test]
    fn depth_is_counted_level_by_level() {
        assert_eq!((depth(1, 100), depth(2, 100), depth(17, 100)), (1, 2, 17));
    }

    #[test]
    fn a_million_levels_do_not_reach_the_stack() {
        assert_eq!(depth(1_000_000, 16), 17);
        assert_eq!(depth(1_000_000, u64::MAX), 1_000_000);
    }

    #[test]
    fn declarations_are_counted_through_all_levels() {
        let two_in_one = [1, INSTANCE_TYPE, 2, TYPE_DECLARATION, 0x7f, TYPE_DECLARATION, 0x7f];
        let nesting = measure(BinaryReader::new(&two_in_one, 0), 16).expect("well formed");
        assert_eq!(nesting, Nesting { declarations: 3, depth: 2 });
    }

    #[test]
    fn an_import_within_an_instance_type_is_damage() {
        assert!(measure(BinaryReader::new(&[1, INSTANCE_TYPE, 1, IMPORT_DECLARATION], 0), 16).is_err());
    }
}
