"""The price rule: value added tax.

Here: the class that the application calls. Not here: the rates (`rates`). Easy to get wrong: `Rule` is the name of the exported
interface, by which the build finds the class.
"""

from typing import Any

from plugwork_guest import Invalid
from rates import RATES, percent, tax_cents
from wit_world.exports import rule


class Rule:
    """Adds the tax of the region that the order is delivered to."""

    def price(self, order: Any) -> Any:
        rate = RATES.get(order.customer.region)
        if rate is None:
            raise Invalid("a region without a known rate", "customer.region", f"one of {', '.join(sorted(RATES))}")
        tax = tax_cents(order.total_cents, rate)
        return rule.Decision(order.total_cents + tax, f"tax: {percent(rate)} % in {order.customer.region}")
