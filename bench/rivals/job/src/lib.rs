//! The two jobs that every rival does: [`add`], which is nothing but the call, and [`price`], a small record in and a small record out.
//!
//! Lives here: the functions and their records, compiled into each rival. Not here: how a call gets there. May be misread: the work is small
//! on purpose; what is measured is the way to it and back.

#![forbid(unsafe_code)]

use serde::{Deserialize, Serialize};

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What is ordered: 12 bytes wherever it is measured.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// Price of one, in cents.
    pub unit_cents: u32,
}

/// What an order costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    /// Price of all, in cents; at most `u32::MAX`.
    pub total_cents: u32,
    /// Which rule made it: `list` or `volume`.
    pub rule: String,
}

/// From this quantity on, a tenth less.
const VOLUME_QUANTITY_MIN: u32 = 100;

/// One more than `input`, wrapping.
#[must_use]
pub fn add(input: u32) -> u32 {
    input.wrapping_add(1)
}

/// The price of an order: a tenth less from 100 on.
#[must_use]
pub fn price(order: &Order) -> Price {
    let total_cents = order.quantity.saturating_mul(order.unit_cents);
    if order.quantity < VOLUME_QUANTITY_MIN {
        Price { total_cents, rule: "list".to_owned() }
    } else {
        Price { total_cents: total_cents - total_cents / 10, rule: "volume".to_owned() }
    }
}

/// The order of the call with this number: the same for every rival, under the limit and above it by turns.
#[must_use]
pub fn order(number: u32) -> Order {
    Order { sku: "SKU-00012345".to_owned(), quantity: quantity(number), unit_cents: 1_999 }
}

/// Its quantity alone, 1 to 199, so that one order can serve many calls.
#[must_use]
pub fn quantity(number: u32) -> u32 {
    1 + number % 199
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_more_wraps() {
        assert_eq!((add(41), add(u32::MAX)), (42, 0));
    }

    #[test]
    fn a_tenth_less_from_a_hundred_on() {
        assert_eq!(price(&order(98)), Price { total_cents: 99 * 1_999, rule: "list".to_owned() });
        assert_eq!(price(&order(99)), Price { total_cents: 179_910, rule: "volume".to_owned() });
    }

    #[test]
    fn a_sku_has_twelve_bytes() {
        assert_eq!(order(0).sku.len(), 12);
    }
}
