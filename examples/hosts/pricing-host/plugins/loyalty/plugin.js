// The price rule that thanks those who come again.
// Not here: how much (discount.js). Easily got wrong: `rule` is the name of the exported interface, by which the build finds the object.

import { definePlugin } from "@plugwork/guest";
import { discount } from "./discount.js";

export default definePlugin({
  rule: {
    price({ customer, totalCents }) {
      const { percent, savedCents } = discount(customer.ordersBefore, totalCents);
      const note = savedCents > 0 ? `loyalty: ${percent} % off after ${customer.ordersBefore} orders` : "";
      return { totalCents: totalCents - savedCents, note };
    },
  },
});
