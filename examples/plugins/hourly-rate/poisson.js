// The upper tail of the Poisson distribution. Not here: what the mean is. Easily got wrong: one minus the sum of the
// lower terms loses every digit of a small tail, so a tail above the mean is summed from its own first term.

/** The probability of `count` or more events where `mean` are expected; relative error below 1e-12. */
export function upperTail(count, mean) {
  if (count <= 0) return 1;
  if (!(mean > 0)) return 0;
  if (count > mean) return sumFrom(count, mean, (term, k) => (term * mean) / (k + 1), 1);
  // Below the mean the tail is large, and the lower terms are the smaller side.
  return 1 - sumFrom(count - 1, mean, (term, k) => (term * k) / mean, -1);
}

/** The terms from `count` on in one direction, in which they fall, until they no longer matter. */
function sumFrom(count, mean, next, step) {
  let term = Math.exp(count * Math.log(mean) - mean - logFactorial(count));
  let sum = 0;
  for (let k = count; k >= 0 && term > sum * 1e-17; k += step) {
    sum += term;
    term = next(term, k);
  }
  return sum;
}

/** ln(n!): summed exactly for small n, else Stirling's series, whose first left-out term is below 1e-16 from 32 on. */
export function logFactorial(n) {
  if (n < 32) {
    let product = 1;
    for (let factor = 2; factor <= n; factor++) product *= factor;
    return Math.log(product);
  }
  const inverse = 1 / n;
  const square = inverse * inverse;
  const series = inverse * (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188))));
  return n * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI * n) + series;
}
