//! The campaign's second version: fifteen percent off tea, and the note says how much that was.
//!
//! Lives here: all of it. May be misread: the discount is of the list price, and is never more than what is left of the total.

plugwork_guest::bindings!("../../wit");

use rule::{Decision, Guest, Order, Refusal};

const PERCENT: u64 = 15;

/// The rule.
#[derive(Debug)]
pub struct Campaign;

impl Guest for Campaign {
    fn price(order: Order) -> Result<Decision, Refusal> {
        let tea_cents: u64 =
            order.lines.iter().filter(|line| line.sku.starts_with("tea-")).map(|line| u64::from(line.quantity) * line.unit_cents).sum();
        let saved_cents = (tea_cents * PERCENT / 100).min(order.total_cents);
        let note = match saved_cents {
            0 => String::new(),
            cents => format!("tea weeks: {PERCENT} % off tea, {}.{:02} saved", cents / 100, cents % 100),
        };
        Ok(Decision { total_cents: order.total_cents - saved_cents, note })
    }
}

plugwork_guest::export!(Campaign: rule);

#[cfg(test)]
mod tests {
    use super::rule::{Customer, Line};
    use super::*;

    fn price(sku: &str, quantity: u32, unit_cents: u64) -> (u64, String) {
        let lines = vec![Line { sku: sku.to_owned(), quantity, unit_cents }];
        let customer = Customer { name: String::new(), orders_before: 0, region: "DE".to_owned() };
        let decision = Campaign::price(Order { customer, lines, total_cents: u64::from(quantity) * unit_cents }).unwrap();
        (decision.total_cents, decision.note)
    }

    #[test]
    fn tea_costs_fifteen_percent_less_and_the_note_says_how_much() {
        assert_eq!(price("tea-green", 10, 499), (4242, "tea weeks: 15 % off tea, 7.48 saved".to_owned()));
    }

    #[test]
    fn an_order_without_tea_stays_as_it_is() {
        assert_eq!(price("mug-blue", 1, 899), (899, String::new()));
    }
}
