// Facets: values of columns with their counts under the filter at hand, ranges of numbers and times.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { byCount, count } from "../format.js";
import { isActive, whereOf, withFilter } from "../query.js";

const SHOWN = 7;

// Counts of a column that is filtered by are those without its own filter, so that a second value can be added.
export async function loadFacets(state, spaces, signal) {
  const ask = (where) => call("/facets", { body: { spaces, ...(where ? { where } : {}) }, signal });
  const active = Object.keys(state.filters).filter((column) => isActive(state.filters[column]));
  const [all, ...others] = await Promise.all([
    ask(whereOf(state)),
    ...active.map((column) => ask(whereOf(state, { without: column }))),
  ]);
  const facets = { ...all.facets };
  active.forEach((column, place) => {
    if (others[place].facets[column]) facets[column] = others[place].facets[column];
  });
  return { facets, total: itemsOf(all.facets), without: Object.fromEntries(active.map((column, place) =>
    [column, itemsOf(others[place].facets)])) };
}

const itemsOf = (facets) => Object.values(facets.modality?.values ?? {}).reduce((sum, each) => sum + each, 0);

export function Facets({ facets, state, go, spaces }) {
  const set = (column, filter) => go({ filters: withFilter(state.filters, column, filter), k: undefined });
  const shown = Object.entries(facets).filter(([column, facet]) => isActive(state.filters[column]) || isUseful(facet));
  return html`
    <div class="facets">
      ${shown.map(([column, facet]) => html`
        <${facet.values ? Values : Range} key=${column} column=${column} facet=${facet} spaces=${spaces} state=${state}
          filter=${state.filters[column] ?? {}} set=${(filter) => set(column, filter)} />`)}
    </div>`;
}

const isUseful = (facet) => (facet.values ? facet.distinct > 1 : facet.min !== facet.max);

function Values({ column, facet, filter, set, state, spaces }) {
  const [find, setFind] = useState("");
  const [all, setAll] = useState(null);
  const [open, setOpen] = useState(false);
  const name = facet.type === "boolean" ? "is" : "in";
  const chosen = (filter[name] ?? []).map(String);
  const isUnique = column !== "label" && facet.distinct > 2 * SHOWN && Math.max(...Object.values(facet.values)) === 1;
  useEffect(() => {
    if (!find && !open) return undefined;
    const abort = new AbortController();
    const where = whereOf(state, { without: column });
    call("/facets", { body: { spaces, values: 1000, ...(where ? { where } : {}) }, signal: abort.signal })
      .then((answer) => setAll(answer.facets[column]?.values ?? {}), () => {});
    return () => abort.abort();
  }, [Boolean(find), open, JSON.stringify(state.filters), state.picked, spaces.join()]);

  if (isUnique) {
    return html`<fieldset class="facet"><legend>${column}</legend>
      <input type="search" placeholder="has the text …" aria-label=${`${column} has the text`}
        value=${filter.contains ?? ""}
        onChange=${(event) => set({ ...filter, contains: event.target.value.trim() || null })} /></fieldset>`;
  }
  const toggle = (value) => {
    const next = chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value];
    set({ ...filter, [name]: name === "is" ? next.map((each) => each === "true") : next });
  };
  const counted = (find || open) && all ? all : facet.values;
  const listed = byCount(counted).filter(([value]) => value.toLowerCase().includes(find.toLowerCase()));
  const missing = find ? [] : chosen.filter((value) => !(value in counted)).map((value) => [value, 0]);
  const most = Math.max(1, ...Object.values(counted));
  const visible = [...missing, ...(open || find ? listed : listed.slice(0, SHOWN))];
  return html`
    <fieldset class="facet"><legend>${column}</legend>
      ${facet.distinct > SHOWN + 3 && html`<input type="search" placeholder=${`Find one of ${count(facet.distinct)}`}
        aria-label=${`Find a value of ${column}`} value=${find} onInput=${(event) => setFind(event.target.value)} />`}
      <div class="values">
        ${visible.map(([value, number]) => html`
          <label key=${value} class="value"><input type="checkbox" checked=${chosen.includes(value)}
            onChange=${() => toggle(value)} /><span class="value-name" title=${value}>${value}</span>
            <span class="value-count">${count(number)}</span>
            <span class="bar" style=${{ width: `${(100 * number) / most}%` }} aria-hidden="true" /></label>`)}
      </div>
      ${!find && facet.distinct > SHOWN && html`<button type="button" class="plain" aria-expanded=${open}
        onClick=${() => setOpen(!open)}>${open ? "Show fewer" : `Show all ${count(facet.distinct)}`}</button>`}
    </fieldset>`;
}

function Range({ column, facet, filter, set }) {
  const isTime = typeof facet.min === "string";
  const [low, high] = isTime ? [facet.min.slice(0, 10), facet.max.slice(0, 10)] : [facet.min, facet.max];
  const type = isTime ? "date" : "number";
  const read = (event) => {
    const text = event.target.value;
    return text === "" ? null : isTime ? text : Number(text);
  };
  const common = { type, min: low, max: high, step: isTime ? 1 : "any" };
  return html`
    <fieldset class="facet"><legend>${column}</legend>
      ${!isTime && html`<${Sliders} column=${column} low=${low} high=${high} filter=${filter} set=${set} />`}
      <div class="range">
        <input ...${common} aria-label=${`${column} from`} placeholder=${low} value=${filter.gte ?? (isTime ? low : "")}
          onChange=${(event) => set({ ...filter, gte: read(event) })} />
        <span aria-hidden="true">to</span>
        <input ...${common} aria-label=${`${column} to`} placeholder=${high} value=${filter.lte ?? (isTime ? high : "")}
          onChange=${(event) => set({ ...filter, lte: read(event) })} />
      </div>
    </fieldset>`;
}

function Sliders({ column, low, high, filter, set }) {
  const step = Number.isInteger(low) && Number.isInteger(high) && high - low >= 20 ? 1 : (high - low) / 100;
  const round = (number) => Number(number.toPrecision(4));
  const [from, to] = [filter.gte ?? low, filter.lte ?? high];
  const read = (event) => Number(event.target.value);
  const isEnd = (value, end) => Math.abs(value - end) < 1e-9;
  const setFrom = (value) => set({ ...filter, gte: isEnd(value, low) ? null : Math.min(round(value), to) });
  const setTo = (value) => set({ ...filter, lte: isEnd(value, high) ? null : Math.max(round(value), from) });
  const common = { type: "range", min: low, max: high, step };
  return html`
    <div class="sliders">
      <input ...${common} value=${from} aria-label=${`${column} at least`}
        onChange=${(event) => setFrom(read(event))} />
      <input ...${common} value=${to} aria-label=${`${column} at most`}
        onChange=${(event) => setTo(read(event))} />
    </div>`;
}
