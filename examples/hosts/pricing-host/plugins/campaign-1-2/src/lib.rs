//! The campaign's third version, which has a mistake that no start and no health check shows: an order without tea divides by zero.
//!
//! Lives here: all of it. May be misread: the mistake stays. The example host shows that it goes back to the version before by itself.

plugwork_guest::bindings!("../../wit");

use rule::{Decision, Guest, Order, Refusal};

const PERCENT: u64 = 15;

/// The rule.
#[derive(Debug)]
pub struct Campaign;

impl Guest for Campaign {
    fn price(order: Order) -> Result<Decision, Refusal> {
        let tea: Vec<u64> =
            order.lines.iter().filter(|line| line.sku.starts_with("tea-")).map(|line| u64::from(line.quantity) * line.unit_cents).collect();
        let saved_cents = (tea.iter().sum::<u64>() * PERCENT / 100).min(order.total_cents);
        // The mistake: nobody thought of an order without tea.
        let each_cents = saved_cents / tea.len() as u64;
        let note = format!("tea weeks: {PERCENT} % off tea, {}.{:02} a line", each_cents / 100, each_cents % 100);
        Ok(Decision { total_cents: order.total_cents - saved_cents, note })
    }
}

plugwork_guest::export!(Campaign: rule);

#[cfg(test)]
mod tests {
    use super::rule::{Customer, Line};
    use super::*;

    fn price(sku: &str) -> Decision {
        let lines = vec![Line { sku: sku.to_owned(), quantity: 10, unit_cents: 499 }];
        let customer = Customer { name: String::new(), orders_before: 0, region: "DE".to_owned() };
        Campaign::price(Order { customer, lines, total_cents: 4990 }).unwrap()
    }

    #[test]
    fn tea_is_priced_as_before() {
        assert_eq!(price("tea-green").total_cents, 4242);
    }

    #[test]
    #[should_panic(expected = "divide by zero")]
    fn an_order_without_tea_is_its_end() {
        price("mug-blue");
    }
}
