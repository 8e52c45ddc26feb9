// Words of a query in a passage, as pieces of text: nothing here makes markup of it.

const COMMON = new Set([
  "a",
  "an",
  "and",
  "are",
  "as",
  "at",
  "be",
  "by",
  "do",
  "for",
  "from",
  "how",
  "i",
  "in",
  "is",
  "it",
  "of",
  "on",
  "or",
  "that",
  "the",
  "this",
  "to",
  "was",
  "what",
  "with",
]);

export function pattern(words) {
  const stems = (words.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])
    .filter((word) => word.length > 1 && !COMMON.has(word))
    .map((word) => (word.length > 4 ? word.replace(/(ing|ed|es|s)$/u, "") : word));
  const forms = [...new Set(stems)]
    .sort((one, other) => other.length - one.length)
    .map((stem) => stem + (stem.length > 3 ? "\\p{L}{0,4}" : "(?:s|es|ed|en|ing)?"));
  return forms.length ? new RegExp(`(?<![\\p{L}\\p{N}])(?:${forms.join("|")})(?![\\p{L}\\p{N}])`, "giu") : null;
}

// [{text, marked}, …]; with `most` characters, those around the first word that is found.
export function pieces(text, words, most = Infinity) {
  const search = pattern(words);
  const shown = around(text.replace(/\s+/g, " ").trim(), search, most);
  if (!search) return [{ text: shown, marked: false }];
  const found = [];
  let place = 0;
  for (const match of shown.matchAll(search)) {
    if (match.index > place) found.push({ text: shown.slice(place, match.index), marked: false });
    found.push({ text: match[0], marked: true });
    place = match.index + match[0].length;
  }
  found.push({ text: shown.slice(place), marked: false });
  return found.filter((piece) => piece.text);
}

function around(text, search, most) {
  if (text.length <= most) return text;
  const first = search ? text.search(search) : -1;
  const start = first < most / 2 ? 0 : text.lastIndexOf(" ", first - most / 4) + 1;
  const part = text.slice(start, start + most);
  return `${start > 0 ? "… " : ""}${part}${start + most < text.length ? " …" : ""}`;
}
