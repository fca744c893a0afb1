//! A price rule: ten percent off the list price of tea, as long as the shop has this plugin enabled.
//!
//! Lives here: all of it. May be misread: the discount is of the list price, and is never more than what is left of the total.

plugwork_guest::bindings!("../../wit");

use rule::{Decision, Guest, Order, Refusal};

const PERCENT: u64 = 10;

/// The rule.
#[derive(Debug)]
pub struct Campaign;

impl Guest for Campaign {
    fn price(order: Order) -> Result<Decision, Refusal> {
        let tea_cents: u64 =
            order.lines.iter().filter(|line| line.sku.starts_with("tea-")).map(|line| u64::from(line.quantity) * line.unit_cents).sum();
        let saved_cents = (tea_cents * PERCENT / 100).min(order.total_cents);
        let note = if saved_cents == 0 { String::new() } else { format!("tea weeks: {PERCENT} % off tea") };
        Ok(Decision { total_cents: order.total_cents - saved_cents, note })
    }
}

plugwork_guest::export!(Campaign: rule);

#[cfg(test)]
mod tests {
    use super::rule::{Customer, Line};
    use super::*;

    fn price(lines: &[(&str, u32, u64)], total_cents: u64) -> (u64, String) {
        let lines =
            lines.iter().map(|(sku, quantity, unit_cents)| Line { sku: (*sku).to_owned(), quantity: *quantity, unit_cents: *unit_cents });
        let customer = Customer { name: String::new(), orders_before: 0, region: "DE".to_owned() };
        let decision = Campaign::price(Order { customer, lines: lines.collect(), total_cents }).unwrap();
        (decision.total_cents, decision.note)
    }

    #[test]
    fn tea_costs_ten_percent_less() {
        assert_eq!(price(&[("tea-green", 3, 499), ("mug-blue", 1, 899)], 2396), (2396 - 149, "tea weeks: 10 % off tea".to_owned()));
    }

    #[test]
    fn an_order_without_tea_stays_as_it_is() {
        assert_eq!(price(&[("mug-blue", 1, 899)], 899), (899, String::new()));
    }

    #[test]
    fn nothing_gets_cheaper_than_nothing() {
        assert_eq!(price(&[("tea-green", 100, 500)], 20).0, 0);
    }
}
