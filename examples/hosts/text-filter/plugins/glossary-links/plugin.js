// The text filter: asks the application's glossary for the words of a Markdown document.
// Not here: which words, and where a link may go (links.js). Easily got wrong: `glossary` is the host's own interface, not
// plugwork's; a build without it in `imports` of plugin.toml does not find it.

import { definePlugin, log } from "@plugwork/guest";
import { lookup } from "example:text/glossary@0.1.0";
import { link } from "./links.js";

export default definePlugin({
  textFilter: {
    apply(input) {
      if (input.mediaType !== "text/markdown") return input;
      const { body, links } = link(input.body, lookup);
      log.debug(`${links} terms linked`);
      return { body, mediaType: input.mediaType };
    },
  },
});
