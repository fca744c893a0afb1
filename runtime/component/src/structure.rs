//! The structural walk: measures a component through all nesting and refuses it at the first limit.
//!
//! Runs before the validator, so everything here distrusts every number it reads; the work is linear in the bytes.
//! Custom sections are only handed on (`metadata.rs` reads them). What may surprise: a walk that succeeds proves
//! sizes, not validity, and the measures of a file that was refused end where the walk stopped.

use std::ops::Range;

use serde::Serialize;
use wasmparser::{BinaryReader, CustomSectionReader, Encoding, FunctionBody, Operator, Parser, Payload};

use crate::error::{LimitExceeded, ReadError, ReadErrorKind};
use crate::features::full_features;
use crate::limits::{Measured, StructureLimits};
use crate::nesting;

const PAGE_BYTES: u64 = 64 << 10;

/// Everything the walk found.
#[derive(Debug)]
pub(crate) struct Structure<'a> {
    pub(crate) measured: Measured,
    pub(crate) modules: Vec<Module>,
    pub(crate) customs: Vec<Custom<'a>>,
}

/// One core module within the component.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Module {
    /// Position among all modules of the file, from 0.
    pub index: usize,
    /// The whole module.
    pub bytes: u64,
    /// Functions it defines.
    pub functions_count: u64,
    /// All function bodies.
    pub code_bytes: u64,
    /// The biggest function body.
    pub biggest_function_bytes: u64,
    /// All data segments.
    pub data_bytes: u64,
    /// The memories it defines (not those it imports).
    pub memories: Vec<Memory>,
    /// The tables it defines (not those it imports).
    pub tables: Vec<Table>,
}

/// A linear memory, in pages of 64 KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// At the start.
    pub initial_pages: u64,
    /// At most; `None` leaves it to the host's limit.
    pub maximum_pages: Option<u64>,
}

/// A table of function references.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Table {
    /// At the start.
    pub initial_entries: u64,
    /// At most; `None` leaves it to the host's limit.
    pub maximum_entries: Option<u64>,
}

/// A custom section and where it stands.
#[derive(Debug)]
pub(crate) struct Custom<'a> {
    pub(crate) reader: CustomSectionReader<'a>,
    pub(crate) place: Place,
}

/// Where in the file a custom section stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// At the top level of the component.
    Component,
    /// In a component within.
    InnerComponent,
    /// In the module of that index.
    Module(usize),
}

/// Walks through a file that `detect` has recognised as a component.
pub(crate) fn walk<'a>(bytes: &'a [u8], limits: &StructureLimits) -> Result<Structure<'a>, ReadError> {
    let mut walk = Walk {
        bytes,
        limits,
        open: Vec::new(),
        modules_begun: 0,
        structure: Structure { measured: Measured::default(), modules: Vec::new(), customs: Vec::new() },
    };
    walk.structure.measured.file_bytes = bytes.len() as u64;
    // Before the first payload: what is too big is not walked through at all.
    walk.check()?;
    let mut parser = Parser::new(0);
    parser.set_features(full_features());
    for payload in parser.parse_all(bytes) {
        walk.payload(payload.map_err(|error| ReadError::malformed(&error))?)?;
        walk.check()?;
    }
    Ok(walk.structure)
}

struct Walk<'a, 'l> {
    bytes: &'a [u8],
    limits: &'l StructureLimits,
    /// The component at the bottom, and what is open within it.
    open: Vec<Scope>,
    modules_begun: usize,
    structure: Structure<'a>,
}

enum Scope {
    Component,
    Module(Module),
}

impl<'a> Walk<'a, '_> {
    fn payload(&mut self, payload: Payload<'a>) -> Result<(), ReadError> {
        let malformed = |error| ReadError::malformed(&error);
        let outermost = self.open.len() == 1;
        match &payload {
            Payload::Version { encoding: Encoding::Component, .. } => self.open.push(Scope::Component),
            Payload::Version { encoding: Encoding::Module, range, .. } => {
                // `bytes` is the start until the module's end is known.
                let bytes = range.start as u64;
                self.open.push(Scope::Module(Module { index: self.modules_begun, bytes, ..Module::default() }));
                self.modules_begun += 1;
            }
            Payload::End(end) => self.close(*end as u64),
            Payload::CustomSection(reader) => self.custom(reader),
            Payload::CodeSectionEntry(body) => self.function(body)?,
            Payload::ComponentTypeSection(section) => {
                let range = section.range();
                let mut reader = BinaryReader::new(&self.bytes[range.clone()], range.start);
                reader.set_features(full_features());
                let nesting = nesting::measure(reader, self.limits.type_depth_levels).map_err(malformed)?;
                self.structure.measured.component_types_count += nesting.declarations;
                self.structure.measured.component_types_bytes += range.len() as u64;
                raise(&mut self.structure.measured.type_depth_levels, nesting.depth);
            }
            Payload::MemorySection(section) => {
                for memory in section.clone() {
                    let memory = memory.map_err(malformed)?;
                    let bytes = memory.initial.saturating_mul(PAGE_BYTES);
                    let measured = &mut self.structure.measured;
                    measured.memory_initial_bytes = measured.memory_initial_bytes.saturating_add(bytes);
                    measured.memories_count += 1;
                    let memory = Memory { initial_pages: memory.initial, maximum_pages: memory.maximum };
                    self.module(|module| module.memories.push(memory));
                    self.check()?;
                }
            }
            Payload::TableSection(section) => {
                for table in section.clone() {
                    let table = table.map_err(malformed)?.ty;
                    let measured = &mut self.structure.measured;
                    measured.table_entries_count = measured.table_entries_count.saturating_add(table.initial);
                    measured.tables_count += 1;
                    let table = Table { initial_entries: table.initial, maximum_entries: table.maximum };
                    self.module(|module| module.tables.push(table));
                    self.check()?;
                }
            }
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    let count = match element.map_err(malformed)?.items {
                        wasmparser::ElementItems::Functions(items) => items.count(),
                        wasmparser::ElementItems::Expressions(_, items) => items.count(),
                    };
                    self.structure.measured.element_entries_count += u64::from(count);
                }
            }
            Payload::DataSection(section) => {
                for data in section.clone() {
                    let bytes = data.map_err(malformed)?.data.len() as u64;
                    self.structure.measured.data_bytes += bytes;
                    self.structure.measured.data_segments_count += 1;
                    self.module(|module| module.data_bytes += bytes);
                }
            }
            Payload::ComponentImportSection(section) => {
                self.structure.measured.component_types_bytes += section.range().len() as u64;
                self.count(
                    section.count(),
                    |measured| {
                        if outermost { &mut measured.imports_count } else { &mut measured.inner_imports_count }
                    },
                );
            }
            Payload::ComponentExportSection(section) => {
                self.structure.measured.component_types_bytes += section.range().len() as u64;
                self.count(
                    section.count(),
                    |measured| {
                        if outermost { &mut measured.exports_count } else { &mut measured.inner_exports_count }
                    },
                );
            }
            Payload::ModuleSection { unchecked_range, .. } => {
                self.whole(unchecked_range)?;
                self.count(1, |measured| &mut measured.modules_count);
            }
            Payload::ComponentSection { unchecked_range, .. } => {
                self.whole(unchecked_range)?;
                self.count(1, |measured| &mut measured.components_count);
                let depth = self.open.len() as u64;
                raise(&mut self.structure.measured.component_depth_levels, depth);
            }
            Payload::InstanceSection(section) => {
                self.count(section.count(), |measured| &mut measured.core_instances_count);
            }
            Payload::ComponentInstanceSection(section) => {
                self.count(section.count(), |measured| &mut measured.component_instances_count);
            }
            Payload::ComponentAliasSection(section) => {
                self.count(section.count(), |measured| &mut measured.aliases_count);
            }
            Payload::ComponentCanonicalSection(section) => {
                self.count(section.count(), |measured| &mut measured.canonicals_count);
            }
            Payload::TypeSection(section) => self.count(section.count(), |measured| &mut measured.core_types_count),
            Payload::CoreTypeSection(section) => self.count(section.count(), |measured| &mut measured.core_types_count),
            Payload::ImportSection(section) => self.count(section.count(), |measured| &mut measured.core_imports_count),
            Payload::ExportSection(section) => self.count(section.count(), |measured| &mut measured.core_exports_count),
            Payload::FunctionSection(section) => self.count(section.count(), |measured| &mut measured.functions_count),
            Payload::GlobalSection(section) => self.count(section.count(), |measured| &mut measured.globals_count),
            // Nothing in them can be big; the validator refuses those that are not allowed.
            _ => {}
        }
        Ok(())
    }

    /// The parser takes the end of the file for the end of a module, so one that was cut between two of its sections
    /// would read, and validate, as a shorter module.
    fn whole(&self, range: &Range<usize>) -> Result<(), ReadError> {
        if range.end <= self.bytes.len() {
            return Ok(());
        }
        let message = format!("the file ends {} bytes too early", range.end - self.bytes.len());
        Err(ReadError::new(ReadErrorKind::Malformed { message, offset_bytes: range.start as u64 }))
    }

    fn function(&mut self, body: &FunctionBody<'a>) -> Result<(), ReadError> {
        let bytes = body.as_bytes().len() as u64;
        raise(&mut self.structure.measured.function_body_bytes, bytes);
        self.module(|module| {
            module.functions_count += 1;
            module.code_bytes += bytes;
            raise(&mut module.biggest_function_bytes, bytes);
        });
        // Here, since what follows reads the body.
        self.check()?;
        let mut locals = 0;
        for group in body.get_locals_reader().map_err(|error| ReadError::malformed(&error))? {
            locals += u64::from(group.map_err(|error| ReadError::malformed(&error))?.0);
        }
        raise(&mut self.structure.measured.function_locals_count, locals);
        if bytes > self.limits.br_table_targets_count {
            let operators = body.get_operators_reader().map_err(|error| ReadError::malformed(&error))?;
            for operator in operators {
                if let Operator::BrTable { targets } = operator.map_err(|error| ReadError::malformed(&error))? {
                    raise(&mut self.structure.measured.br_table_targets_count, u64::from(targets.len()));
                }
            }
        }
        Ok(())
    }

    fn custom(&mut self, reader: &CustomSectionReader<'a>) {
        let place = match (self.open.last(), self.open.len()) {
            (Some(Scope::Module(module)), _) => Place::Module(module.index),
            (_, 0 | 1) => Place::Component,
            _ => Place::InnerComponent,
        };
        self.structure.measured.custom_bytes += reader.data().len() as u64;
        self.structure.measured.custom_sections_count += 1;
        self.structure.customs.push(Custom { reader: reader.clone(), place });
    }

    fn close(&mut self, end: u64) {
        if let Some(Scope::Module(mut module)) = self.open.pop() {
            module.bytes = end.saturating_sub(module.bytes);
            self.structure.modules.push(module);
        }
    }

    fn module(&mut self, change: impl FnOnce(&mut Module)) {
        if let Some(Scope::Module(module)) = self.open.last_mut() {
            change(module);
        }
    }

    fn count(&mut self, count: u32, measure: impl FnOnce(&mut Measured) -> &mut u64) {
        *measure(&mut self.structure.measured) += u64::from(count);
    }

    fn check(&self) -> Result<(), ReadError> {
        let Some((limit, measured, allowed)) = self.structure.measured.first_over(self.limits) else { return Ok(()) };
        let place = self.place();
        Err(ReadError::new(ReadErrorKind::Limit(LimitExceeded { limit, measured, allowed, place })))
    }

    fn place(&self) -> String {
        match (self.open.last(), self.open.len()) {
            (Some(Scope::Module(module)), _) if module.functions_count > 0 => {
                format!("module {}, defined function {}", module.index, module.functions_count - 1)
            }
            (Some(Scope::Module(module)), _) => format!("module {}", module.index),
            (_, 0 | 1) => "component".into(),
            (_, depth) => format!("component within, level {}", depth - 1),
        }
    }
}

fn raise(most: &mut u64, value: u64) {
    *most = value.max(*most);
}
