// How much a customer saves who was here before: one percent for every ten orders, at most five.
// Not here: the plugin. Easily got wrong: what is saved is rounded down to a cent, in favour of the shop.

const ordersForOnePercent = 10;
const percentMax = 5;

/**
 * @param {number} ordersBefore
 * @param {bigint} totalCents
 * @returns {{percent: number, savedCents: bigint}}
 */
export function discount(ordersBefore, totalCents) {
  const percent = Math.min(Math.floor(ordersBefore / ordersForOnePercent), percentMax);
  return { percent, savedCents: (totalCents * BigInt(percent)) / 100n };
}
