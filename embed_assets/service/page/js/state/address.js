// The state of the page as its address: what is searched for, under which filters, what is open.

// A part beside the words of the box: {kind: "words" | "file" | "item", value, weight, label, type}.
export const EMPTY = {
  words: "",
  parts: [],
  mode: "vector",
  spaces: [],
  filters: {},
  percentile: null,
  fold: false,
  diversity: 0,
  rerank: false,
  k: 60,
  item: "",
  compare: "",
  map: false,
  picked: [], // ids of items that were selected on the map: the address has no room for them
};
const MODES = ["vector", "hybrid", "text"];
const COMPARISONS = ["in", "is", "gte", "lte", "contains"];

export function readAddress(search) {
  const given = new URLSearchParams(search);
  const state = structuredClone(EMPTY);
  state.words = given.get("q") ?? "";
  state.parts = given.getAll("part").map(readPart).filter(Boolean).slice(0, 15);
  state.spaces = given.getAll("space");
  if (MODES.includes(given.get("mode"))) state.mode = given.get("mode");
  for (const [name, value] of given) readFilter(state.filters, name, value);
  state.percentile = numberOf(given.get("percentile"));
  state.fold = given.get("fold") === "1";
  state.diversity = Math.min(1, Math.max(0, numberOf(given.get("diversity")) ?? 0));
  state.rerank = given.get("rerank") === "1";
  state.k = Math.min(10000, Math.max(1, Math.round(numberOf(given.get("k")) ?? EMPTY.k)));
  state.item = given.get("item") ?? "";
  state.compare = given.get("compare") ?? "";
  state.map = given.get("map") === "1";
  return state;
}

export function writeAddress(state) {
  const to = new URLSearchParams();
  if (state.words) to.append("q", state.words);
  for (const part of state.parts) to.append("part", writePart(part));
  for (const space of state.spaces) to.append("space", space);
  if (state.mode !== EMPTY.mode) to.append("mode", state.mode);
  for (const [column, filter] of Object.entries(state.filters)) {
    for (const name of COMPARISONS) {
      for (const value of [filter[name] ?? []].flat()) to.append(`${name}.${column}`, String(value));
    }
  }
  if (state.percentile !== null) to.append("percentile", state.percentile);
  if (state.fold) to.append("fold", "1");
  if (state.diversity) to.append("diversity", state.diversity);
  if (state.rerank) to.append("rerank", "1");
  if (state.k !== EMPTY.k) to.append("k", state.k);
  if (state.compare) to.append("compare", state.compare);
  if (state.map) to.append("map", "1");
  if (state.item) to.append("item", state.item);
  const text = to.toString().replaceAll("%3A", ":").replaceAll("%2F", "/");
  return text ? `?${text}` : location.pathname;
}

// -0.5*words:people   file:HASH:image:name.jpg   item:ID:image:photos/a.jpg
function readPart(text) {
  const found = /^(?:(-?[\d.]+)\*)?(words|file|item):(.+)$/s.exec(text);
  if (!found) return null;
  const weight = numberOf(found[1]) || 1;
  const kind = found[2];
  if (kind === "words") return { kind, weight, value: found[3], label: found[3] };
  const [value, ...rest] = found[3].split(":");
  return { kind, weight, value, type: rest[0] ?? "", label: rest.slice(1).join(":") || kind };
}

function writePart(part) {
  const weight = part.weight === 1 ? "" : `${part.weight}*`;
  if (part.kind === "words") return `${weight}words:${part.value}`;
  return `${weight}${part.kind}:${part.value}:${part.type}:${part.label}`;
}

function readFilter(filters, name, value) {
  const found = /^(in|is|gte|lte|contains)\.(.+)$/s.exec(name);
  if (!found) return;
  const [, comparison, column] = found;
  const filter = (filters[column] ??= {});
  if (comparison === "in") (filter.in ??= []).push(value);
  else if (comparison === "is") (filter.is ??= []).push(value === "true");
  else if (comparison === "contains") filter.contains = value;
  else filter[comparison] = numberOf(value) ?? value;
}

function numberOf(text) {
  const value = text == null || text === "" ? NaN : Number(text);
  return Number.isFinite(value) ? value : null;
}
