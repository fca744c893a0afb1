// Lets node find `@plugwork/guest` without an install: `node --import …/guest-sdk/js/register.js --test`.
// Not for components, where the build puts the SDK into the bundle. Easily got wrong: there is no host under node, so
// `@plugwork/guest/fetch` and `@plugwork/guest/events` cannot be imported; test what is around them.

import { register } from "node:module";

const hooks = `
  const sdk = ${JSON.stringify(new URL("./src/", import.meta.url).href)};
  const files = { "@plugwork/guest": "index.js", "@plugwork/guest/testing": "testing.js" };
  export function resolve(specifier, context, next) {
    const file = Object.hasOwn(files, specifier) ? files[specifier] : null;
    return file ? { url: sdk + file, format: "module", shortCircuit: true } : next(specifier, context);
  }
  // The SDK and plugins are modules, whether or not a package.json near them says so.
  export async function load(url, context, next) {
    const isModule = url.startsWith("file:") && url.endsWith(".js") && !url.includes("/node_modules/");
    return next(url, isModule ? { ...context, format: "module" } : context);
  }
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
