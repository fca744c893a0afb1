//! Does as it is told: by events as an event handler, and says on `puppet/said` what came of it; by the principal as a guard.
//!
//! The same words do the same in the guests of the other languages. Easily got wrong: a panic and an abort are faults, and none of them says anything
//! to who asked.

use plugwork_guest::events::{self, Event, EventHandler};
use plugwork_guest::guard::{Decision, Guard, Question};
use plugwork_guest::prelude::*;

/// The plugin.
struct Puppet;

impl EventHandler for Puppet {
    fn handle(events: Vec<Event>) -> Result<()> {
        for event in events {
            let said = match event.topic.as_str() {
                "puppet/do" => obeyed(event.text()?)?,
                topic => {
                    let number = event.sequence.map_or_else(|| "none".to_owned(), |sequence| sequence.to_string());
                    format!("heard {topic} {} from {} after {} hops, number {number}", event.text()?, event.source, event.hops)
                }
            };
            events::emit("puppet/said", said.as_bytes())?;
        }
        Ok(())
    }
}

/// What came of it: a refusal of the host in words, and the puppet's own as it is.
fn obeyed(order: &str) -> Result<String> {
    let (verb, rest) = order.split_once(' ').unwrap_or((order, ""));
    let came = match verb {
        "emit" => {
            let (topic, text) = rest.split_once(' ').unwrap_or((rest, ""));
            events::emit(topic, text.as_bytes()).map(|()| "emitted".to_owned())
        }
        "emit-bytes" => events::emit("news/bytes", &vec![b'x'; number(rest)? as usize]).map(|()| "emitted".to_owned()),
        "subscribe" => events::subscribe(rest).map(|number| format!("subscription {number}")),
        "once" => events::once(rest).map(|number| format!("subscription {number}")),
        "unsubscribe" => events::unsubscribe(number(rest)? as u32).map(|()| "ended".to_owned()),
        "replay" => events::replay(number(rest)?).map(|from| format!("from {from}")),
        "throw" => panic!("the test asked for it"),
        _ => return Err(Refusal::invalid(format!("`{verb}` is no order"), "", "")),
    };
    Ok(came.unwrap_or_else(|refusal| match refusal {
        Refusal::Denied(denial) => format!("denied {}", denial.code),
        Refusal::Invalid(_) => "invalid".to_owned(),
        Refusal::Unavailable(_) => "unavailable".to_owned(),
        Refusal::Other(problem) => format!("other {}", problem.message),
    }))
}

fn number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Refusal::invalid("no number", "", ""))
}

impl Guard for Puppet {
    fn check(question: Question) -> Result<Decision> {
        Ok(match question.principal.as_deref() {
            Some("allow") => Decision::allow(),
            Some("keep") => Decision::deny("no for long").kept(60_000),
            Some("tell") => Decision::deny(told(&question)),
            Some("refuse") => return Err(Refusal::unavailable("the test is closed")),
            Some("throw") => panic!("the test asked for it"),
            Some("trap") => std::process::abort(),
            _ => Decision::deny("no\nin two lines"),
        })
    }
}

/// All that it is told, in one line.
fn told(question: &Question) -> String {
    let callers: Vec<String> = question.callers.iter().map(|caller| format!(" by {}", caller.name)).collect();
    let plugin = &question.plugin;
    let is_digest = plugin.digest.starts_with("sha256:") && plugin.digest.len() == 71;
    let function = question.function.as_deref().unwrap_or("none");
    format!("{} {} `{}` {is_digest} {} {function}{}", plugin.name, plugin.version, plugin.instance, question.interface, callers.concat())
}

plugwork_guest::plugin! {
    descriptor: r#"{"points":{}}"#, event_handler: Puppet, guard: Puppet
}
