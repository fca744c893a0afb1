// The list: reading it, asking it, and counting what it denied. No host is needed here. Easily got wrong: names come from a configuration, so they
// are keys of a Map and never of an object.

import { Refusal } from "@plugwork/guest";

/** The configuration: `{ allowed: { ada: ["*"] } }`. Who is not named may call nothing. */
export function readRules({ allowed = {}, ...others }) {
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) throw Refusal.invalid({ what: `there is no \`${unknown}\``, at: `/${unknown}`, expected: "`allowed`" });
  if (typeof allowed !== "object" || allowed === null || Array.isArray(allowed)) {
    throw Refusal.invalid({ what: "no table", at: "/allowed", expected: "principals, each with a list of interfaces" });
  }
  const entries = Object.entries(allowed);
  for (const [principal, interfaces] of entries) {
    if (!Array.isArray(interfaces) || interfaces.some((name) => typeof name !== "string")) {
      throw Refusal.invalid({ what: "no list", at: `/allowed/${principal}`, expected: "interfaces without a version, or `*`" });
    }
  }
  return new Map(entries);
}

/** `true`, or a reason why not. Not kept: an answer that is kept is one that is not counted. */
export function decide(rules, principal, named) {
  const [path] = named.split("@");
  const interfaces = (principal !== null && rules.get(principal)) || [];
  if (interfaces.includes("*") || interfaces.includes(path)) return true;
  return principal === null ? `nobody said for whom \`${path}\` is called` : `\`${principal}\` may not call \`${path}\``;
}

/** How often each principal was denied; empty is nobody in particular. */
export function summarise(denials) {
  const counts = new Map();
  for (const denial of denials) {
    const principal = denial.text();
    counts.set(principal, (counts.get(principal) ?? 0) + 1);
  }
  return Object.fromEntries(counts);
}
