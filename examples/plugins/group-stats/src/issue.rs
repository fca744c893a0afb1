//! What can be wrong with the options or the table.
//!
//! Lives here: [`Issue`] and its wording. Not here: the guest SDK's refusal, which `plugin.rs` makes of it, so that the
//! analysis also runs natively without the SDK.

/// Something given was wrong: the fields of `plugwork:plugin/refusal.issue`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// What is wrong.
    pub what: String,
    /// Where: an option's path, or a column.
    pub at: String,
    /// What would have been right.
    pub expected: String,
}

impl Issue {
    /// The three parts of an issue.
    pub fn new(what: impl Into<String>, at: impl Into<String>, expected: impl Into<String>) -> Issue {
        Issue { what: what.into(), at: at.into(), expected: expected.into() }
    }

    pub(crate) fn too_many_groups(groups_max: usize) -> Issue {
        Issue::new(
            format!("there are more than {groups_max} groups"),
            "/groups-max",
            "a higher limit, or fewer distinct values in the columns of `/by`",
        )
    }

    pub(crate) fn too_many_key_bytes() -> Issue {
        Issue::new("the distinct values of the columns to group by take more than 16 MiB", "/by", "columns with shorter or fewer values")
    }
}

impl std::fmt::Display for Issue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at `{}`: expected {}", self.what, self.at, self.expected)
    }
}

impl std::error::Error for Issue {}
