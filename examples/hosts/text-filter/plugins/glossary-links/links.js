// Where links go in a Markdown text: the first mention of each term, outside of code and of links that are there already.
// Not here: the glossary. Easily got wrong: a term is looked up once a document however often it stands there, because each
// lookup crosses the boundary.

// Fenced code, code spans, links and images with their targets, automatic links, bare addresses: nothing in them is touched.
const untouched = /```[\s\S]*?(?:```|$)|~~~[\s\S]*?(?:~~~|$)|`[^`\n]*`|!?\[[^\]\n]*\](?:\([^)\n]*\)|\[[^\]\n]*\])?|<[^>\n]*>|https?:\/\/\S+/g;
const word = /\p{L}[\p{L}\p{M}\p{N}]*(?:-[\p{L}\p{N}][\p{L}\p{M}\p{N}]*)*/gu;

/**
 * @param {string} body
 * @param {(term: string) => string | undefined} lookup
 * @returns {{body: string, links: number}}
 */
export function link(body, lookup) {
  const seen = new Set();
  let links = 0;
  const linked = (text) =>
    text.replace(word, (term) => {
      const key = term.toLowerCase();
      if (seen.has(key)) return term;
      seen.add(key);
      const target = lookup(term);
      if (target === undefined || target === null) return term;
      links += 1;
      return `[${term}](${escaped(target)})`;
    });
  let result = "";
  let end = 0;
  for (const match of body.matchAll(untouched)) {
    result += linked(body.slice(end, match.index)) + match[0];
    end = match.index + match[0].length;
  }
  return { body: result + linked(body.slice(end)), links };
}

// In a link's target a space or a bracket would end it.
function escaped(target) {
  return target.replace(/[\s()<>]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}
