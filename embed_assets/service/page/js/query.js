// Requests made of the page's state: the body of /search and filters as /facets takes them.

export const hasQuery = (state) => Boolean(state.words.trim() || state.parts.length);

export function queryBody(state, { spaces = state.spaces, version } = {}) {
  const parts = [];
  if (state.words.trim()) parts.push({ text: state.words.trim() });
  for (const part of state.parts) parts.push(partBody(part));
  const body = { parts, k: state.k, mode: modeOf(state), spans: 5 };
  if (spaces.length) body.spaces = spaces;
  if (version) body.version = version;
  const where = whereOf(state);
  if (where) body.where = where;
  if (state.percentile !== null) body.min_percentile = state.percentile;
  if (state.fold) body.fold_duplicates = true;
  if (state.diversity) body.diversity = state.diversity;
  if (state.rerank && hasWords(state)) body.rerank = true;
  return body;
}

// Full text needs words: a picture alone is searched for by meaning, whatever is chosen.
export const modeOf = (state) => (hasWords(state) ? state.mode : "vector");

const hasWords = (state) => Boolean(wordsOf(state));

export const wordsOf = (state) =>
  [state.words, ...state.parts.filter((part) => part.kind === "words" && part.weight > 0).map((part) => part.value)]
    .join(" ")
    .trim();

function partBody(part) {
  const weight = part.weight === 1 ? {} : { weight: part.weight };
  if (part.kind === "words") return { text: part.value, ...weight };
  if (part.kind === "file") return { upload: part.value, ...weight };
  return { item: part.value, ...weight };
}

// "beach -people -"red car"" → the words, and what is to be taken away.
export function readWords(text) {
  const minus = [];
  const words = text.replace(/(^|\s)-(?:"([^"]+)"|(\p{L}[\p{L}\p{N}_-]*))/gu, (_, before, quoted, word) => {
    minus.push(quoted ?? word);
    return before;
  });
  return { words: words.replace(/\s+/g, " ").trim(), minus };
}

export function whereOf({ filters, picked }, { without } = {}) {
  const all = picked.length ? [{ item: { in: picked } }] : [];
  for (const [column, filter] of Object.entries(filters)) {
    if (column === without) continue;
    const values = [...(filter.is ?? []), ...(filter.in ?? [])];
    if (values.length) all.push({ [column]: { in: values } });
    const compared = {};
    if (filter.gte != null) compared.gte = filter.gte;
    if (filter.lte != null) compared.lte = wholeDay(filter.lte);
    if (filter.contains) compared.contains = filter.contains;
    if (Object.keys(compared).length) all.push({ [column]: compared });
  }
  return all.length > 1 ? { and: all } : (all[0] ?? null);
}

// A range of days holds its last one.
const wholeDay = (value) => (/^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T23:59:59.999999` : value);

export const isActive = (filter) =>
  Boolean(
    filter && (filter.in?.length || filter.is?.length || filter.gte != null || filter.lte != null || filter.contains),
  );

// The filters one by one, as the chips above the results show them.
export function listFilters(filters) {
  const listed = [];
  for (const [column, filter] of Object.entries(filters)) {
    for (const name of ["in", "is"]) {
      for (const value of filter[name] ?? []) {
        const rest = { ...filter, [name]: filter[name].filter((each) => each !== value) };
        listed.push({ column, text: `${column}: ${value}`, rest });
      }
    }
    if (filter.gte != null || filter.lte != null) {
      const from = filter.gte != null ? `≥ ${filter.gte}` : "";
      const to = filter.lte != null ? `≤ ${filter.lte}` : "";
      listed.push({
        column,
        text: `${column} ${[from, to].filter(Boolean).join(" and ")}`,
        rest: { ...filter, gte: null, lte: null },
      });
    }
    if (filter.contains) {
      listed.push({ column, text: `${column} has “${filter.contains}”`, rest: { ...filter, contains: null } });
    }
  }
  return listed;
}

export const countFilters = (state) => listFilters(state.filters).length + (state.picked.length > 0);

export function withFilter(filters, column, filter) {
  const changed = { ...filters, [column]: filter };
  if (!isActive(filter)) delete changed[column];
  return changed;
}
