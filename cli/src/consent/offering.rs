//! An offer as a person meets it: what of it can be granted here, the text, and the answer. `add` and `update` share it.
//!
//! Easy to get wrong: a plugin that nobody could make run is refused before anybody is asked, because a yes would be worth nothing.

use plugwork::{Limits, Offer};
use plugwork_core::reach::Kind;
use plugwork_core::{Denial, Grants, Permission};
use serde_json::{Map, Value};

use super::ask::{self, Answer};
use super::given::ConsentArguments;
use super::text::{self, Shown};
use crate::exit::Failure;
use crate::print;
use crate::{host, installed};

/// What an offer asks for, divided into what this host offers and what it does not.
pub(crate) struct Asked {
    pub(crate) offered: Vec<Permission>,
    pub(crate) not_offered: Vec<Permission>,
}

impl Asked {
    pub(crate) fn of(offer: &Offer) -> Self {
        let here: Vec<&str> = host::offered().iter().map(|offer| offer.capability).chain(["engine"]).collect();
        let asked = offer.permissions();
        let (offered, not_offered) = asked.iter().cloned().partition(|permission| here.contains(&permission.capability.as_str()));
        Self { offered, not_offered }
    }
}

/// Refuses an offer that would not load even with everything granted that it asks for.
pub(crate) fn could_run(offer: &Offer, asked: &Asked) -> Result<(), Failure> {
    if offer.manifest().is_none() {
        // It asks by what it imports: what is missing is known when something was granted.
        return Ok(());
    }
    let everything = asked.offered.iter().fold(Grants::none(), |grants, permission| {
        let mut bounds: Map<String, Value> = permission.bounds.clone();
        if ask::needs_a_folder(&permission.capability) {
            bounds.insert("root".to_owned(), Value::from("."));
        }
        grants.with(&permission.capability, bounds)
    });
    let name = offer.subject().to_string();
    let hint = "use another plugin, or another version of plugwork";
    let refused: Vec<Denial> =
        offer.reach(&everything).iter().filter(|reach| reach.kind == Kind::Refused).map(|reach| reach.denial(&name, hint)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let lines: String = refused.iter().map(|denial| format!("\n  {}", denial.to_string().replace('\n', "\n  "))).collect();
    Err(Failure::refused(format_args!("`{name}` cannot be used here, whatever it is granted:{lines}")))
}

/// Shows the text on stderr: what is data here is the outcome.
pub(crate) fn show(offer: &Offer, asked: &Asked, from: &str) {
    let limits = offer.manifest().map_or(Limits::batch(), |manifest| Limits::batch().tightened_by(&manifest.limits));
    let name = offer.subject().to_string();
    let lines = text::lines(&Shown {
        name: &name,
        digest: offer.digest(),
        manifest: offer.manifest(),
        asked: &asked.offered.iter().collect::<Vec<_>>(),
        not_offered: &asked.not_offered.iter().collect::<Vec<_>>(),
        reach: &offer.reach(&Grants::none()),
        limits: &limits,
        from,
    });
    lines.iter().for_each(print::narrate);
    print::narrate("");
}

/// The grants: from the arguments, or from whoever sits at the terminal. Without either it refuses, and says how to say yes.
pub(crate) fn decide(arguments: &ConsentArguments, verb: &str, permissions: &[Permission]) -> Result<Answer, Failure> {
    let permissions: Vec<&Permission> = permissions.iter().collect();
    let answer = match arguments.granted(&permissions)? {
        Some(grants) => Answer::Granted(grants),
        None if print::can_ask() => ask::ask(&mut print::Asking, verb, &permissions)?,
        None => {
            let hint = "`--yes` grants what it asks for, `--grant CAPABILITY` one part of it";
            return Err(Failure::refused(format_args!("nobody can be asked: there is no terminal\nhint: {hint}")));
        }
    };
    Ok(match answer {
        Answer::Granted(grants) => Answer::Granted(ask::with_absolute_roots(grants).map_err(Failure::usage)?),
        Answer::Declined => Answer::Declined,
    })
}

/// The offer with who consents, why and until when.
pub(crate) fn signed(offer: Offer, arguments: &ConsentArguments) -> Offer {
    let offer = offer.by(&installed::approver(), &arguments.reason());
    match arguments.expires_ms(installed::now_ms()) {
        Some(expires_ms) => offer.expires_ms(expires_ms),
        None => offer,
    }
}
