//! What the shop sells: for each thing its list price and what it cost the shop. An order names things; prices are never the customer's.
//!
//! Not here: rules. Easily got wrong: an order's form comes from anybody, so everything in it has a limit, and each wrong line is told.

use std::collections::BTreeMap;

use plugwork::core::Issue;
use serde::Deserialize;

use super::point::{Customer, Line, Quote};

const LINES_MAX: usize = 100;
const QUANTITY_MAX: u32 = 10_000;
const NAME_BYTES_MAX: usize = 64;

/// What one thing costs, in cents.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    /// The list price.
    pub(crate) price_cents: u64,
    /// What the shop paid for it.
    pub(crate) cost_cents: u64,
}

/// Everything on sale.
#[derive(Debug, Clone)]
pub(crate) struct Catalogue(BTreeMap<&'static str, Item>);

/// An order as a customer sends it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    customer: CustomerForm,
    lines: Vec<LineForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CustomerForm {
    name: String,
    #[serde(default)]
    orders_before: u32,
    region: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineForm {
    sku: String,
    quantity: u32,
}

impl Catalogue {
    /// The shop of this example.
    pub(crate) fn of_the_shop() -> Self {
        let items = [("tea-green", 499, 210), ("tea-smoky", 1250, 700), ("mug-blue", 899, 520), ("kettle", 6499, 4800)];
        Self(items.into_iter().map(|(sku, price_cents, cost_cents)| (sku, Item { price_cents, cost_cents })).collect())
    }

    /// One thing, if the shop sells it.
    pub(crate) fn item(&self, sku: &str) -> Option<Item> {
        self.0.get(sku).copied()
    }

    /// The quote that a form asks for, at list prices; else everything that is wrong with the form.
    pub(crate) fn quote(&self, form: Form) -> Result<Quote, Vec<Issue>> {
        let mut issues = Vec::new();
        let mut wrong = |what: String, at: String, expected: String| issues.push(Issue { what, at, expected });
        let Form { customer: CustomerForm { name, orders_before, region }, lines } = form;
        if name.len() > NAME_BYTES_MAX {
            wrong(format!("{} bytes", name.len()), "/customer/name".to_owned(), format!("at most {NAME_BYTES_MAX}"));
        }
        if !(region.len() == 2 && region.bytes().all(|letter| letter.is_ascii_uppercase())) {
            wrong("no region".to_owned(), "/customer/region".to_owned(), "two capital letters, such as `DE`".to_owned());
        }
        if !(1..=LINES_MAX).contains(&lines.len()) {
            wrong(format!("{} lines", lines.len()), "/lines".to_owned(), format!("1 to {LINES_MAX}"));
        }
        let mut priced = Vec::new();
        for (index, LineForm { sku, quantity }) in lines.into_iter().take(LINES_MAX).enumerate() {
            if !(1..=QUANTITY_MAX).contains(&quantity) {
                wrong(format!("{quantity} of it"), format!("/lines/{index}/quantity"), format!("1 to {QUANTITY_MAX}"));
            }
            match self.item(&sku) {
                Some(item) => priced.push(Line { sku, quantity, unit_cents: item.price_cents }),
                None => {
                    let on_sale: Vec<_> = self.0.keys().copied().collect();
                    wrong("not on sale".to_owned(), format!("/lines/{index}/sku"), format!("one of {}", on_sale.join(", ")));
                }
            }
        }
        if issues.is_empty() { Ok(Quote::new(Customer { name, orders_before, region }, priced)) } else { Err(issues) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(text: &str) -> Result<Quote, Vec<String>> {
        let form = serde_json::from_str(text).unwrap();
        Catalogue::of_the_shop().quote(form).map_err(|issues| issues.into_iter().map(|issue| issue.at).collect())
    }

    fn quote_of(lines: usize, quantity: u32) -> Result<Quote, Vec<String>> {
        let lines = vec![format!(r#"{{"sku": "tea-green", "quantity": {quantity}}}"#); lines].join(",");
        quote(&format!(r#"{{"customer": {{"name": "Ada", "region": "DE"}}, "lines": [{lines}]}}"#))
    }

    #[test]
    fn prices_come_from_the_catalogue() {
        let quote = quote(r#"{"customer": {"name": "Ada", "region": "DE"}, "lines": [{"sku": "kettle", "quantity": 2}]}"#).unwrap();
        assert_eq!((quote.order.lines[0].unit_cents, quote.order.total_cents), (6499, 12998));
        let form = r#"{"customer": {"name": "Ada", "region": "DE"}, "lines": [{"sku": "kettle", "quantity": 2, "unit_cents": 1}]}"#;
        assert!(serde_json::from_str::<Form>(form).is_err());
    }

    #[test]
    fn everything_wrong_is_told_at_once() {
        let text = r#"{"customer": {"name": "Ada", "region": "de"}, "lines": [{"sku": "car", "quantity": 0}]}"#;
        assert_eq!(quote(text).unwrap_err(), ["/customer/region", "/lines/0/quantity", "/lines/0/sku"]);
    }

    #[test]
    fn orders_have_limits() {
        assert!(quote_of(100, 10_000).is_ok());
        assert_eq!(quote_of(101, 1).unwrap_err(), ["/lines"]);
        assert_eq!(quote_of(0, 1).unwrap_err(), ["/lines"]);
        assert_eq!(quote_of(1, 10_001).unwrap_err(), ["/lines/0/quantity"]);
    }
}
