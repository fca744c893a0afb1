//! Consent without questions: what `--grant`, `--grants` and `--yes` allow.
//!
//! Easy to get wrong: `--yes` is everything as asked, but it cannot invent what only a host can name. Where that is missing it refuses instead of
//! leaving the permission out, because a script that said yes should not get less without noticing.

use plugwork_core::policy::askable;
use plugwork_core::{Grants, Permission};

use super::ask::needs_a_folder;
use crate::exit::Failure;
use crate::grants::{GrantArguments, to_argument};

/// How the command was told what to grant.
#[derive(Debug, clap::Args)]
pub(crate) struct ConsentArguments {
    #[command(flatten)]
    grants: GrantArguments,
    /// Grants everything it asks for, optional permissions included, narrowed by what `--grant` says. Asks nothing.
    #[arg(long, short)]
    yes: bool,
    /// Why, for the record. Default: `asked and answered`, or that it was given on the command line.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: Option<String>,
    /// How long the consent holds: `90m`, `12h`, `30d`. After that the plugin is refused until it is asked for again. Default: no end.
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    expires: Option<u64>,
}

impl ConsentArguments {
    /// What is granted without asking anybody; `None` where somebody has to be asked.
    pub(crate) fn granted(&self, permissions: &[&Permission]) -> Result<Option<Grants>, Failure> {
        let given = self.grants.read()?;
        if !self.yes {
            return Ok(self.grants.is_given().then_some(given));
        }
        let mut grants = given;
        for permission in permissions {
            if grants.get(&permission.capability).is_some() {
                continue;
            }
            if needs_a_folder(&permission.capability) {
                return Err(Failure::refused(format_args!(
                    "`--yes` cannot say which folder `{}` is for\nhint: add {}",
                    permission.capability,
                    to_argument(permission)
                )));
            }
            grants = grants.with(&permission.capability, askable(&permission.capability, &permission.bounds));
        }
        Ok(Some(grants))
    }

    /// What was granted by `--grant` and `--grants`.
    pub(crate) fn said(&self) -> Result<Grants, Failure> {
        self.grants.read()
    }

    /// Whether no question will be needed.
    pub(crate) fn is_given(&self) -> bool {
        self.yes || self.grants.is_given()
    }

    /// Why, for the record.
    pub(crate) fn reason(&self) -> String {
        let given = if self.yes { "given with `--yes`" } else { "given with `--grant`" };
        self.reason.clone().unwrap_or_else(|| if self.is_given() { given.to_owned() } else { "asked and answered".to_owned() })
    }

    /// Until when, in milliseconds since 1970, if it is to end.
    pub(crate) fn expires_ms(&self, now_ms: u64) -> Option<u64> {
        self.expires.map(|after| now_ms.saturating_add(after))
    }
}

fn reason(text: &str) -> Result<String, String> {
    const BYTES_MAX: usize = 1_024;
    match text.len() {
        1..=BYTES_MAX => Ok(text.to_owned()),
        other => Err(format!("{other} bytes; expected 1 to {BYTES_MAX}")),
    }
}

/// `90s`, `90m`, `12h`, `30d` as milliseconds.
pub(crate) fn duration_ms(text: &str) -> Result<u64, String> {
    const DAYS_MAX: u64 = 36_500;
    const DAY_MS: u64 = 86_400_000;
    let wrong = || format!("`{text}` is no time; expected a number with `s`, `m`, `h` or `d`, such as `30d`, at most {DAYS_MAX}d");
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => DAY_MS,
        _ => return Err(wrong()),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let total = digits.then(|| number.parse::<u64>().ok()?.checked_mul(unit_ms)).flatten();
    total.filter(|total| (1..=DAYS_MAX * DAY_MS).contains(total)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_a_number_and_a_unit() {
        assert_eq!([duration_ms("1s"), duration_ms("90m"), duration_ms("30d")], [Ok(1_000), Ok(5_400_000), Ok(2_592_000_000)]);
        for wrong in ["", "d", "30", "-1d", "+1d", "1.5h", "0s", "1w", "36501d", "99999999999999999999d", "1é"] {
            assert!(duration_ms(wrong).is_err(), "{wrong}");
        }
    }
}
