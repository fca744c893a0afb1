//! The columns a builder can make, and the values of one row.
//!
//! These are the formats that plugins write; every format of the contract can be *read* (`values`), and a rarer one can
//! be written with `Column::from_buffers`.

/// A column to be filled: its name and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub(crate) name: String,
    pub(crate) kind: Kind,
}

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `b`.
    Bool,
    /// `i`: 32 bit integers.
    I32,
    /// `l`: 64 bit integers.
    I64,
    /// `g`: 64 bit floats.
    F64,
    /// `u`: UTF-8 text.
    Text,
    /// `z`: bytes.
    Bytes,
    /// `tdD`: days since 1970-01-01, given as an integer.
    Days,
    /// `tsm:` and a time zone name, mostly `UTC`; empty for a clock on the wall. Milliseconds since 1970-01-01, given as
    /// an integer.
    TimestampMs(String),
}

impl Kind {
    /// The Arrow format string.
    pub fn format(&self) -> String {
        match self {
            Self::Bool => "b".into(),
            Self::I32 => "i".into(),
            Self::I64 => "l".into(),
            Self::F64 => "g".into(),
            Self::Text => "u".into(),
            Self::Bytes => "z".into(),
            Self::Days => "tdD".into(),
            Self::TimestampMs(zone) => format!("tsm:{zone}"),
        }
    }

    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Bool => "bools",
            Self::I32 => "32 bit integers",
            Self::I64 => "64 bit integers",
            Self::F64 => "floats",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Days => "days",
            Self::TimestampMs(_) => "milliseconds",
        }
    }
}

impl Field {
    /// A column of any kind.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind }
    }

    /// Bools (`b`).
    pub fn bool(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Bool)
    }

    /// 32 bit integers (`i`).
    pub fn i32(name: impl Into<String>) -> Self {
        Self::new(name, Kind::I32)
    }

    /// 64 bit integers (`l`).
    pub fn i64(name: impl Into<String>) -> Self {
        Self::new(name, Kind::I64)
    }

    /// 64 bit floats (`g`).
    pub fn f64(name: impl Into<String>) -> Self {
        Self::new(name, Kind::F64)
    }

    /// Text (`u`).
    pub fn text(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Text)
    }

    /// Days since 1970-01-01 (`tdD`).
    pub fn days(name: impl Into<String>) -> Self {
        Self::new(name, Kind::Days)
    }

    /// Milliseconds since 1970-01-01 UTC (`tsm:UTC`).
    pub fn timestamp_ms(name: impl Into<String>) -> Self {
        Self::new(name, Kind::TimestampMs("UTC".into()))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the column holds.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }
}

/// One value of one row. Integers fit every kind that is a number or a time; floats only floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// No value.
    Null,
    /// A bool.
    Bool(bool),
    /// An integer, days, or milliseconds.
    I64(i64),
    /// A float.
    F64(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl Value<'_> {
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a bool",
            Self::I64(_) => "an integer",
            Self::F64(_) => "a float",
            Self::Text(_) => "text",
            Self::Bytes(_) => "bytes",
        }
    }
}

macro_rules! value {
    ($($type:ty => $make:expr;)+) => {
        $(impl<'a> From<$type> for Value<'a> {
            fn from(value: $type) -> Self {
                let make: fn($type) -> Value<'a> = $make;
                make(value)
            }
        })+
    };
}

value! {
    bool => Value::Bool;
    i32 => |value| Value::I64(value.into());
    u32 => |value| Value::I64(value.into());
    i64 => Value::I64;
    // A count: more than 2⁶³ of anything does not exist.
    usize => |value| Value::I64(i64::try_from(value).unwrap_or(i64::MAX));
    f32 => |value| Value::F64(value.into());
    f64 => Value::F64;
    &'a str => Value::Text;
    &'a String => |value| Value::Text(value);
    &'a [u8] => Value::Bytes;
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl<'a> From<&Value<'a>> for Value<'a> {
    fn from(value: &Value<'a>) -> Self {
        *value
    }
}
