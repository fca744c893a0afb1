"""Rates of value added tax, and what they make of a price.

Here: `RATES`, `tax_cents`, `percent`. Not here: the plugin (`plugin`). Easy to get wrong: rates are in hundredths of a percent, because
some are not whole percents.
"""

RATES = {"AT": 2000, "CH": 810, "DE": 1900, "FR": 2000, "IT": 2200}


def tax_cents(net_cents: int, rate: int) -> int:
    """The tax on a price: in cents, halves rounded up."""
    return (net_cents * rate + 5000) // 10000


def percent(rate: int) -> str:
    """A rate as people write it: `19`, `8.1`."""
    return f"{rate // 100}.{rate % 100:02d}".rstrip("0").rstrip(".")
