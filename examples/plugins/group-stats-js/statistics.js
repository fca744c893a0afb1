// The loop over the rows of one column, and what it keeps for each group. Easily got wrong: the speed of this file is
// that of an interpreter, in which every operation inside the loop counts: so locals instead of fields, `for…of` over a
// typed array instead of an index, and no test for values that are not finite until a batch turns out to have one.

/** Count, sum, least and greatest value of one column in every group. */
export class Measure {
  #sums = new Float64Array(0);
  // What each sum has lost by rounding so far (Knuth's two-sum, summed up).
  #lost = new Float64Array(0);
  #least = new Float64Array(0);
  #greatest = new Float64Array(0);

  constructor(name) {
    this.name = name;
    this.counts = new Int32Array(0);
  }

  /** Takes in the values of a batch; `groups` has the group of each row, `tally` the rows of this batch in each group. */
  add(values, groups, tally) {
    if (tally.length > this.counts.length) this.#grow(tally.length);
    // Plain sums within a batch (at most 8,192 values), compensated ones across batches: a third of the time of
    // compensating every value, and the error stays that of one batch.
    const sums = new Float64Array(tally.length);
    const least = this.#least.slice();
    const greatest = this.#greatest.slice();
    let row = 0;
    for (const value of values) {
      const group = groups[row++];
      sums[group] += value;
      if (value < least[group]) least[group] = value;
      if (value > greatest[group]) greatest[group] = value;
    }
    // A value that is not finite leaves its mark in the sum; then nothing of this pass is kept.
    if (Number.isFinite(total(sums))) {
      this.#addSums(sums, tally);
      this.#least = least;
      this.#greatest = greatest;
    } else {
      this.#addFinite(values, groups, tally.length);
    }
  }

  /** Null without values, and where the sum leaves the range of a float; so is the mean. */
  sum(group) {
    const sum = this.#sums[group] + this.#lost[group];
    return this.counts[group] && Number.isFinite(sum) ? sum : null;
  }

  mean(group) {
    const sum = this.sum(group);
    return sum === null ? null : sum / this.counts[group];
  }

  minimum(group) {
    return this.counts[group] ? this.#least[group] : null;
  }

  maximum(group) {
    return this.counts[group] ? this.#greatest[group] : null;
  }

  #addSums(added, tally) {
    const sums = this.#sums;
    const lost = this.#lost;
    const counts = this.counts;
    let group = 0;
    for (const count of tally) {
      if (count > 0) {
        const value = added[group];
        const before = sums[group];
        const sum = before + value;
        const part = sum - before;
        lost[group] += before - (sum - part) + (value - part);
        sums[group] = sum;
        counts[group] += count;
      }
      group++;
    }
  }

  #addFinite(values, groups, groupCount) {
    const sums = new Float64Array(groupCount);
    const counts = new Int32Array(groupCount);
    for (let row = 0; row < values.length; row++) {
      const [value, group] = [values[row], groups[row]];
      if (!Number.isFinite(value)) continue;
      sums[group] += value;
      counts[group]++;
      this.#least[group] = Math.min(this.#least[group], value);
      this.#greatest[group] = Math.max(this.#greatest[group], value);
    }
    this.#addSums(sums, counts);
  }

  #grow(groupCount) {
    const size = Math.max(16, 2 ** Math.ceil(Math.log2(groupCount)));
    const grown = (old, array, fill) => {
      const larger = new array(size).fill(fill);
      larger.set(old);
      return larger;
    };
    this.counts = grown(this.counts, Int32Array, 0);
    this.#sums = grown(this.#sums, Float64Array, 0);
    this.#lost = grown(this.#lost, Float64Array, 0);
    this.#least = grown(this.#least, Float64Array, Infinity);
    this.#greatest = grown(this.#greatest, Float64Array, -Infinity);
  }
}

function total(values) {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}
