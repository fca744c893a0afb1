// The price rule that thanks those who come again.
// Not here: how much (discount.js). Easily got wrong: cents are BigInts, and a BigInt and a number cannot be added.

import { definePlugin } from "@plugwork/guest";
import { discount } from "./discount.js";

export default definePlugin({
  rule: {
    price({ customer, totalCents }) {
      const { percent, savedCents } = discount(customer.ordersBefore, totalCents);
      const note = savedCents > 0n ? `loyalty: ${percent} % off after ${customer.ordersBefore} orders` : "";
      return { totalCents: totalCents - savedCents, note };
    },
  },
});
