// How much a customer saves who was here before: one percent for every ten orders, at most five.
// Not here: the plugin. Easily got wrong: what is saved is rounded down to a cent, in favour of the shop. Cents are numbers here, which
// are exact because the interface has a limit far below 2^53 for them.

const ordersForOnePercent = 10;
const percentMax = 5;

/**
 * @param {number} ordersBefore
 * @param {number} totalCents
 * @returns {{percent: number, savedCents: number}}
 */
export function discount(ordersBefore, totalCents) {
  const percent = Math.min(Math.floor(ordersBefore / ordersForOnePercent), percentMax);
  return { percent, savedCents: Math.floor((totalCents * percent) / 100) };
}
