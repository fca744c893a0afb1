"""What tax a price has; run `python3 -m unittest discover -s tests` in the plugin's folder."""

import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from rates import RATES, percent, tax_cents  # noqa: E402  (the plugin's folder is no package)


class Rates(unittest.TestCase):
    def test_tax_is_rounded_to_the_nearest_cent_and_halves_up(self) -> None:
        self.assertEqual([tax_cents(net, 1900) for net in (0, 2, 3, 100, 1050)], [0, 0, 1, 19, 200])

    def test_a_large_price_is_exact(self) -> None:
        self.assertEqual(tax_cents(10**14, 810), 8_100_000_000_000)

    def test_rates_are_written_as_people_write_them(self) -> None:
        self.assertEqual([percent(rate) for rate in (2000, 1900, 810, 55)], ["20", "19", "8.1", "0.55"])

    def test_no_rate_doubles_a_price(self) -> None:
        self.assertTrue(all(0 < rate < 10000 for rate in RATES.values()))


if __name__ == "__main__":
    unittest.main()
