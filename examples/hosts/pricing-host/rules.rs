//! The shop's own rules, in Rust: a discount on volume, and a floor below which nothing is sold. They run without a sandbox.
//!
//! Not here: rules of other people, which are components (`plugins/`). Easily got wrong: the floor comes after every discount and before the
//! tax, which its weight says, not its place in this file.

use std::future::ready;

use plugwork::{Native, Refusal, Running};

use super::catalogue::Catalogue;
use super::point::{Decision, Order, Pricing, Quote};

/// From so many things on, so many percent off; the largest first.
const VOLUME: [(u64, u64); 2] = [(200, 10), (50, 5)];

/// Off for those who buy many things at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VolumeDiscount;

/// Never less than the things cost the shop.
#[derive(Debug, Clone)]
pub(crate) struct FloorPrice(pub(crate) Catalogue);

impl Native<Pricing> for VolumeDiscount {
    fn call<'a>(&'a self, quote: &'a Quote) -> Running<'a, Result<Quote, Refusal>> {
        Box::pin(ready(quote.clone().decided(self.price(&quote.order))))
    }
}

impl Native<Pricing> for FloorPrice {
    fn call<'a>(&'a self, quote: &'a Quote) -> Running<'a, Result<Quote, Refusal>> {
        Box::pin(ready(quote.clone().decided(self.price(&quote.order))))
    }
}

impl VolumeDiscount {
    fn price(&self, order: &Order) -> Decision {
        let things: u64 = order.lines.iter().map(|line| u64::from(line.quantity)).sum();
        match VOLUME.iter().find(|(from, _)| things >= *from) {
            Some((_, percent)) => {
                let saved_cents = order.total_cents * percent / 100;
                Decision { total_cents: order.total_cents - saved_cents, note: format!("volume: {percent} % off for {things} things") }
            }
            None => Decision { total_cents: order.total_cents, note: String::new() },
        }
    }
}

impl FloorPrice {
    fn price(&self, order: &Order) -> Decision {
        let cost = |sku: &str| self.0.item(sku).map_or(0, |item| item.cost_cents);
        let floor_cents: u64 = order.lines.iter().map(|line| u64::from(line.quantity) * cost(&line.sku)).sum();
        if order.total_cents >= floor_cents {
            return Decision { total_cents: order.total_cents, note: String::new() };
        }
        Decision { total_cents: floor_cents, note: "floor: not below cost".to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::point::{Customer, Line};
    use super::*;

    fn order(sku: &str, quantity: u32, total_cents: u64) -> Order {
        let lines = vec![Line { sku: sku.to_owned(), quantity, unit_cents: 499 }];
        Order { customer: Customer { name: String::new(), orders_before: 0, region: "DE".to_owned() }, lines, total_cents }
    }

    #[test]
    fn volume_is_rewarded_from_fifty_and_from_two_hundred_on() {
        let total_cents = |quantity| VolumeDiscount.price(&order("tea-green", quantity, 10_000)).total_cents;
        assert_eq!([49, 50, 199, 200].map(total_cents), [10_000, 9_500, 9_500, 9_000]);
    }

    #[test]
    fn nothing_is_sold_below_cost() {
        let floor = FloorPrice(Catalogue::of_the_shop());
        assert_eq!(floor.price(&order("tea-green", 10, 2100)), Decision { total_cents: 2100, note: String::new() });
        assert_eq!(floor.price(&order("tea-green", 10, 2099)).total_cents, 2100);
        assert_eq!(floor.price(&order("tea-green", 10, 0)).note, "floor: not below cost");
    }
}
