//! Types as a person writes them in WIT, with records and variants spelled out.

use wasmtime::component::Type;

/// `list<u8>`, `record { body: string }`, `result<_, string>` …
pub fn type_name(ty: &Type) -> String {
    let optional = |ty: Option<Type>| ty.map_or_else(|| "_".to_owned(), |ty| type_name(&ty));
    let join = |parts: Vec<String>| parts.join(", ");
    match ty {
        Type::Bool => "bool".to_owned(),
        Type::S8 => "s8".to_owned(),
        Type::U8 => "u8".to_owned(),
        Type::S16 => "s16".to_owned(),
        Type::U16 => "u16".to_owned(),
        Type::S32 => "s32".to_owned(),
        Type::U32 => "u32".to_owned(),
        Type::S64 => "s64".to_owned(),
        Type::U64 => "u64".to_owned(),
        Type::Float32 => "f32".to_owned(),
        Type::Float64 => "f64".to_owned(),
        Type::Char => "char".to_owned(),
        Type::String => "string".to_owned(),
        Type::List(list) => format!("list<{}>", type_name(&list.ty())),
        Type::Option(option) => format!("option<{}>", type_name(&option.ty())),
        Type::Result(result) => format!("result<{}, {}>", optional(result.ok()), optional(result.err())),
        Type::Tuple(tuple) => format!("tuple<{}>", join(tuple.types().map(|ty| type_name(&ty)).collect())),
        Type::Record(record) => {
            format!("record {{ {} }}", join(record.fields().map(|field| format!("{}: {}", field.name, type_name(&field.ty))).collect()))
        }
        Type::Variant(variant) => {
            let case = |case: wasmtime::component::types::Case<'_>| match case.ty {
                Some(ty) => format!("{}({})", case.name, type_name(&ty)),
                None => case.name.to_owned(),
            };
            format!("variant {{ {} }}", join(variant.cases().map(case).collect()))
        }
        Type::Enum(cases) => format!("enum {{ {} }}", join(cases.names().map(str::to_owned).collect())),
        Type::Flags(flags) => format!("flags {{ {} }}", join(flags.names().map(str::to_owned).collect())),
        Type::Own(_) => "resource".to_owned(),
        Type::Borrow(_) => "borrow<resource>".to_owned(),
        _ => "another type".to_owned(),
    }
}
