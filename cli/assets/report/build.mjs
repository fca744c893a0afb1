// Builds `vega.bundle.js` and `vega.licences.txt` from the packages pinned in `package-lock.json`, and writes `hashes.txt`,
// the digests the report's content security policy is made of. `--check` writes nothing: it says what differs and exits 1.
import { build } from "esbuild";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const checking = process.argv.includes("--check");

const result = await build({
  entryPoints: [join(here, "vega.entry.js")],
  absWorkingDir: here,
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "plugworkVega",
  platform: "browser",
  target: ["chrome111", "firefox115", "safari16.4"],
  // Only ASCII: the digest is then the same however the page is read.
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  write: false,
});

/** The packages whose code is really inside, with the texts under which they may be passed on. */
function bundledPackages() {
  const names = new Set();
  for (const [path, input] of Object.entries(result.metafile.outputs).flatMap(([, output]) => Object.entries(output.inputs))) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (found && input.bytesInOutput > 0) names.add(found[1]);
  }
  return [...names].sort().map((name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    const file = readdirSync(folder).find((entry) => /^licen[sc]e/i.test(entry));
    if (!file) throw new Error(`cannot build: \`${name}\` has no licence file; remove it from the bundle`);
    return { name, version, license, text: readFileSync(join(folder, file), "utf8").replace(/\r\n?/g, "\n").trim() };
  });
}

/** One text for all packages that share it word for word. */
function licences(packages) {
  const byText = new Map();
  for (const { name, version, license, text } of packages) {
    const key = text.replace(/\s+/g, " ");
    const entry = byText.get(key) ?? { text, names: [] };
    entry.names.push(`${name} ${version} (${license})`);
    byText.set(key, entry);
  }
  const parts = [...byText.values()].map(({ text, names }) => `${names.join(", ")}\n\n${text}`);
  return `The chart renderer of this report is made of the packages below.\n\n${parts.join(`\n\n${"-".repeat(40)}\n\n`)}\n`;
}

const notices = licences(bundledPackages());
if (/\*\/|<\/script|<!--/i.test(notices)) throw new Error("cannot build: a licence text would end its comment or the script element");
// The notices travel inside the bundle, because every report passes the code on.
const bundle = `/*!\n${notices}*/\n${result.outputFiles[0].text}`;
if (/<\/script|<!--|\r|\0/i.test(bundle)) throw new Error("cannot build: the bundle would end its script element or change when parsed");

const outputs = { "vega.bundle.js": bundle, "vega.licences.txt": notices };
// In the order in which `cli/src/report/policy.rs` reads them.
const hashed = ["page.css", "page.js", "frame.css", "frame.js", "vega.bundle.js"];
outputs["hashes.txt"] = hashed
  .map((name) => {
    const text = outputs[name] ?? readFileSync(join(here, name), "utf8");
    return `${name} sha256-${createHash("sha256").update(text, "utf8").digest("base64")}\n`;
  })
  .join("");

let different = 0;
for (const [name, text] of Object.entries(outputs)) {
  const path = join(here, name);
  const same = existsSync(path) && readFileSync(path, "utf8") === text;
  if (same) continue;
  if (checking) {
    different += 1;
    console.error(`\`${name}\` is not what this build makes; run \`npm ci && npm run build\``);
  } else {
    writeFileSync(path, text);
    console.error(`wrote ${name}, ${Buffer.byteLength(text)} bytes`);
  }
}
if (different > 0) process.exit(1);
console.error(checking ? "the bundle, the licences and the digests are what this build makes" : "done");
