//! The types of functions as digests: two functions have the same one where a linker takes one for the other.
//!
//! A type is what it is made of: names of fields, cases and parameters count, names of types do not. A resource is the interface that has it, on its track, and its
//! name there; one that is passed on beside another of that name is told apart. May be misread: types and functions that are used a thousand times are looked at
//! once, and types that are nested too deeply have no digest, so that hostile bytes cost neither time nor stack. Where one of an interface that is exported stands
//! before the one whose resource it takes, it is taken for the owner: then it fits fewer than it could.

use std::collections::{HashMap, HashSet};

use plugwork_core::resolve::track;
use plugwork_core::{Digest, Hasher, InterfaceName};
use wasmparser::component_types::{
    AliasableResourceId, ComponentAnyTypeId, ComponentDefinedType, ComponentDefinedTypeId, ComponentEntityType, ComponentFuncTypeId,
    ComponentInstanceTypeId, ComponentValType, ResourceId,
};
use wasmparser::types::Types;

/// Types within types: more than the validator lets through.
const DEPTH_MAX: u32 = 128;

/// A resource: the path of the interface that has it, that with its track, and its name there.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Owner {
    path: String,
    on_track: String,
    name: String,
}

/// What is known of the types of one component.
pub(crate) struct Shapes<'t> {
    types: &'t Types,
    owners: HashMap<ResourceId, Owner>,
    /// The same the other way round: who was there first.
    owned: HashMap<Owner, ResourceId>,
    /// Of imports, where what is exported has another one of the same name.
    passed_on: HashSet<ResourceId>,
    exporting: bool,
    known: HashMap<ComponentDefinedTypeId, Option<Digest>>,
    functions: HashMap<ComponentFuncTypeId, Option<Digest>>,
}

/// Parts of a type, each told apart from the next.
struct Parts(Hasher);

impl Parts {
    fn of(kind: &str) -> Self {
        Self(Hasher::default()).text(kind)
    }

    fn text(mut self, text: &str) -> Self {
        self.0.update(&(text.len() as u64).to_le_bytes());
        self.0.update(text.as_bytes());
        self
    }

    fn part(mut self, digest: Option<Digest>) -> Option<Self> {
        self.0.update(digest?.as_bytes());
        Some(self)
    }

    /// One that may be missing.
    fn maybe(self, digest: Option<Option<Digest>>) -> Option<Self> {
        match digest {
            None => Some(self.text("-")),
            Some(digest) => self.text("+").part(digest),
        }
    }

    fn finish(self) -> Digest {
        self.0.finish()
    }
}

impl<'t> Shapes<'t> {
    pub(crate) fn of(types: &'t Types) -> Self {
        Self {
            types,
            owners: HashMap::new(),
            owned: HashMap::new(),
            passed_on: HashSet::new(),
            exporting: false,
            known: HashMap::new(),
            functions: HashMap::new(),
        }
    }

    /// The resources of an interface: whoever names one first has it. Gives the paths of those from whom this one takes some. Asked of imports first and in
    /// their order, because no interface comes before one that it takes something from.
    pub(crate) fn enter(&mut self, interface: &InterfaceName, instance: ComponentInstanceTypeId) -> Vec<String> {
        let mut taken = Vec::new();
        let path = interface.path();
        let on_track = interface.version().map_or_else(|| path.to_owned(), |version| format!("{path}@{}", track(version)));
        for (name, item) in &self.types[instance].exports {
            let ComponentEntityType::Type { created: ComponentAnyTypeId::Resource(id), .. } = item.ty else { continue };
            let id = id.resource();
            if !self.owners.contains_key(&id) {
                let owner = Owner { path: path.to_owned(), on_track: on_track.clone(), name: name.clone() };
                if let Some(first) = self.owned.insert(owner.clone(), id) {
                    self.passed_on.insert(first);
                }
                self.owners.insert(id, owner);
            }
            let owner = &self.owners[&id].path;
            if owner != path && !taken.contains(owner) {
                taken.push(owner.clone());
            }
        }
        taken
    }

    /// From here on exports are asked about.
    pub(crate) fn exports(&mut self) {
        self.exporting = true;
        self.known.clear();
        self.functions.clear();
    }

    /// Whose a resource is.
    pub(crate) fn resource(&self, id: AliasableResourceId) -> Option<Digest> {
        self.handle("resource", id).map(Parts::finish)
    }

    /// The types of a function; none where they are nested too deeply.
    pub(crate) fn function(&mut self, id: ComponentFuncTypeId) -> Option<Digest> {
        if let Some(known) = self.functions.get(&id) {
            return *known;
        }
        let found = self.signature(id);
        self.functions.insert(id, found);
        found
    }

    fn signature(&mut self, id: ComponentFuncTypeId) -> Option<Digest> {
        let function = &self.types[id];
        let mut parts = Parts::of(if function.async_ { "async" } else { "sync" });
        for (name, ty) in &function.params {
            parts = parts.text(name).part(self.value(ty, 0))?;
        }
        let result = function.result.as_ref().map(|ty| self.value(ty, 0));
        Some(parts.text("->").maybe(result)?.finish())
    }

    fn value(&mut self, ty: &ComponentValType, depth: u32) -> Option<Digest> {
        match ty {
            ComponentValType::Primitive(primitive) => Some(Parts::of("primitive").text(&primitive.to_string()).finish()),
            ComponentValType::Type(id) => {
                if let Some(known) = self.known.get(id) {
                    return *known;
                }
                let found = (depth < DEPTH_MAX).then(|| self.defined(*id, depth + 1)).flatten();
                self.known.insert(*id, found);
                found
            }
        }
    }

    fn defined(&mut self, id: ComponentDefinedTypeId, depth: u32) -> Option<Digest> {
        let types = self.types;
        let mut one = |ty: &ComponentValType| self.value(ty, depth);
        let parts = match &types[id] {
            ComponentDefinedType::Primitive(primitive) => return one(&ComponentValType::Primitive(*primitive)),
            ComponentDefinedType::Record(record) => {
                let mut fields = record.fields.iter();
                fields.try_fold(Parts::of("record"), |parts, (name, ty)| parts.text(name).part(one(ty)))?
            }
            ComponentDefinedType::Variant(variant) => {
                let mut cases = variant.cases.iter();
                cases.try_fold(Parts::of("variant"), |parts, (name, case)| parts.text(name).maybe(case.ty.as_ref().map(&mut one)))?
            }
            ComponentDefinedType::List { element, .. } => Parts::of("list").part(one(element))?,
            ComponentDefinedType::Map { key, value, .. } => Parts::of("map").part(one(key))?.part(one(value))?,
            ComponentDefinedType::FixedLengthList { element, length, .. } => {
                Parts::of("array").text(&length.to_string()).part(one(element))?
            }
            ComponentDefinedType::Tuple(tuple) => tuple.types.iter().try_fold(Parts::of("tuple"), |parts, ty| parts.part(one(ty)))?,
            ComponentDefinedType::Flags(names) => names.iter().fold(Parts::of("flags"), |parts, name| parts.text(name)),
            ComponentDefinedType::Enum(names) => names.iter().fold(Parts::of("enum"), |parts, name| parts.text(name)),
            ComponentDefinedType::Option { ty, .. } => Parts::of("option").part(one(ty))?,
            ComponentDefinedType::Result { ok, err, .. } => {
                let ok = Parts::of("result").maybe(ok.as_ref().map(&mut one))?;
                ok.maybe(err.as_ref().map(&mut one))?
            }
            ComponentDefinedType::Own(resource) => self.handle("own", *resource)?,
            ComponentDefinedType::Borrow(resource) => self.handle("borrow", *resource)?,
            ComponentDefinedType::Future { ty, .. } => Parts::of("future").maybe(ty.as_ref().map(&mut one))?,
            ComponentDefinedType::Stream { ty, .. } => Parts::of("stream").maybe(ty.as_ref().map(&mut one))?,
        };
        Some(parts.finish())
    }

    fn handle(&self, kind: &str, resource: AliasableResourceId) -> Option<Parts> {
        let id = resource.resource();
        let Owner { on_track, name, .. } = self.owners.get(&id)?;
        let passed_on = self.exporting && self.passed_on.contains(&id);
        Some(Parts::of(kind).text(on_track).text(name).text(if passed_on { "passed on" } else { "" }))
    }
}
