//! The options as JSON, and how they become a [`Plan`].
//!
//! Lives here: [`Settings`] and the conversion of magnitudes to hundredths. Not here: the schema that hosts check first, which is
//! in `descriptor.json`. May be misread: `step` and `completeness` take one value for all groups, or an object with
//! one for each, in which `*` stands for the groups that are not named; without `*` those keep the default.

use plugwork_guest::{Options, Refusal, Result};
use serde_json::Value;

use crate::catalogue::{Completeness, PerGroup, Plan, Step};

/// Everything that the plugin can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Column with the group; none: the whole table is one group.
    pub group: Option<String>,
    /// Column with the magnitude.
    pub magnitude: String,
    /// What to compute.
    pub plan: Plan,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct Raw {
    group: Option<String>,
    magnitude: String,
    step: Value,
    completeness: Value,
    minimum_count: u64,
}

impl Default for Raw {
    fn default() -> Raw {
        Raw {
            group: Some("network".to_owned()),
            magnitude: "magnitude".to_owned(),
            step: "resolution".into(),
            completeness: "maximum-curvature".into(),
            minimum_count: Plan::default().minimum_count,
        }
    }
}

impl Settings {
    /// Reads the options of `start`.
    pub fn read(options: &Options) -> Result<Settings> {
        let raw: Raw = options.parse()?;
        if raw.minimum_count < 2 {
            return Err(Refusal::invalid("too few for a slope", "/minimum-count", "2 or more"));
        }
        let plan = Plan {
            step: per_group(&raw.step, "/step", Step::Resolution, step)?,
            completeness: per_group(&raw.completeness, "/completeness", Completeness::MaximumCurvature, completeness)?,
            minimum_count: raw.minimum_count,
        };
        Ok(Settings { group: raw.group, magnitude: raw.magnitude, plan })
    }
}

fn per_group<T>(value: &Value, at: &str, default: T, one: fn(&Value, &str) -> Result<T>) -> Result<PerGroup<T>> {
    let Value::Object(entries) = value else { return Ok(PerGroup::all(one(value, at)?)) };
    let mut all = PerGroup::all(default);
    for (group, value) in entries {
        let value = one(value, &format!("{at}/{}", group.replace('~', "~0").replace('/', "~1")))?;
        if group == "*" {
            all.others = value;
        } else {
            all.named.insert(group.clone(), value);
        }
    }
    Ok(all)
}

fn step(value: &Value, at: &str) -> Result<Step> {
    if value == "resolution" {
        return Ok(Step::Resolution);
    }
    hundredths(value)
        .filter(|step| (1..=100).contains(step))
        .map(Step::Hundredths)
        .ok_or_else(|| Refusal::invalid(format!("no step: {value}"), at, "a multiple of 0.01 from 0.01 to 1, or `resolution`"))
}

fn completeness(value: &Value, at: &str) -> Result<Completeness> {
    if value == "maximum-curvature" {
        return Ok(Completeness::MaximumCurvature);
    }
    hundredths(value).filter(|magnitude| (-500..=1_200).contains(magnitude)).map(Completeness::Hundredths).ok_or_else(|| {
        let expected = "a multiple of 0.01 from -5 to 12, or `maximum-curvature`";
        Refusal::invalid(format!("no completeness magnitude: {value}"), at, expected)
    })
}

/// `None` where the value is no number, or has more digits than a hundredth: rounding it would answer another question.
fn hundredths(value: &Value) -> Option<i32> {
    let hundredths = value.as_f64()? * 100.0;
    let whole = hundredths.round();
    ((hundredths - whole).abs() < 1e-6 && whole.abs() < 1e6).then_some(whole as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings> {
        Settings::read(&Options::new(text))
    }

    fn refusal(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn nothing_given_is_the_default_for_every_group() {
        let settings = read("{}").unwrap();
        assert_eq!((settings.group.as_deref(), settings.magnitude.as_str()), (Some("network"), "magnitude"));
        assert_eq!(settings.plan, Plan::default());
    }

    #[test]
    fn null_asks_for_one_group() {
        assert_eq!(read(r#"{"group":null}"#).unwrap().group, None);
    }

    #[test]
    fn groups_are_told_apart_by_name() {
        let plan = read(r#"{"step":{"ci":0.01,"us":0.1},"completeness":{"ci":0.9,"*":2,"us":4.5}}"#).unwrap().plan;
        assert_eq!((plan.step.named["ci"], plan.step.named["us"]), (Step::Hundredths(1), Step::Hundredths(10)));
        assert_eq!(plan.step.others, Step::Resolution);
        assert_eq!(plan.completeness.named["us"], Completeness::Hundredths(450));
        assert_eq!(plan.completeness.others, Completeness::Hundredths(200));
    }

    #[test]
    fn a_wrong_value_is_named_with_its_place() {
        assert_eq!(
            refusal(r#"{"completeness":{"a/b":"curvature"}}"#),
            "/completeness/a~1b: no completeness magnitude: \"curvature\"; expected a multiple of 0.01 from -5 to 12, \
             or `maximum-curvature`"
        );
        assert!(refusal(r#"{"step":0}"#).starts_with("/step: no step: 0"));
        assert!(refusal(r#"{"step":0.015}"#).starts_with("/step: no step: 0.015"));
        assert!(refusal(r#"{"minimum-count":1}"#).starts_with("/minimum-count: "));
        assert!(refusal(r#"{"stepp":1}"#).contains("stepp"));
    }

    #[test]
    fn steps_are_taken_up_to_their_limits_and_not_past_them() {
        assert!(read(r#"{"step":0.01}"#).is_ok() && read(r#"{"step":1}"#).is_ok());
        assert!(read(r#"{"step":1.01}"#).is_err() && read(r#"{"completeness":12.01}"#).is_err());
    }
}
