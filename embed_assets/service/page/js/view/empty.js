// What is shown where there is nothing to show: examples from the user's own labels, or which filter to remove.
import { html } from "../../vendor/preact-htm.js";
import { byCount, count } from "../format.js";
import { listFilters, withFilter } from "../query.js";

const EXAMPLES = 8;

export function Welcome({ facets, total, go, spaces, isFiltered }) {
  const labels = byCount(facets?.label?.values ?? {}).map(([label]) => label)
    .map((label) => label.replaceAll(/[-_]/g, " "))
    .filter((label) => /\p{L}{2}/u.test(label)).slice(0, EXAMPLES);
  const kinds = byCount(facets?.modality?.values ?? {});
  const names = { image: "pictures", text: "texts", audio: "sounds", video: "videos" };
  if (!spaces.some((each) => each.live)) {
    return html`<div class="empty"><h1>Nothing is served yet</h1>
      <p>The store has no space that serves. Run <code>embed-assets run</code>, then look again.</p></div>`;
  }
  return html`
    <div class="empty">
      <h1>${isFiltered ? `Search in ${count(total ?? 0)} items` : "What are you looking for?"}</h1>
      ${kinds.length > 0 && html`
        <p>${kinds.map(([kind, number]) => `${count(number)} ${names[kind] ?? kind}`).join(", ")},${" "}
        found by what they mean. Describe one, or drop, paste or choose a picture, sound or video.</p>`}
      ${labels.length > 0 && html`<p class="examples"><span>For example</span>
        ${labels.map((label) => html`<button type="button" class="chip" key=${label}
          onClick=${() => go({ words: label })}>${label}</button>`)}</p>`}
      <p class="soft"><kbd>/</kbd> to type, <kbd>?</kbd> for all keys; <code>-word</code> takes a meaning away.</p>
    </div>`;
}

export function NothingFound({ state, go, counts }) {
  const filters = listFilters(state.filters);
  const remove = (column) => go({ filters: withFilter(state.filters, column, {}) });
  const advice = [...new Set(filters.map((each) => each.column))]
    .map((column) => [column, filters.filter((each) => each.column === column).map((each) => each.text).join(", ")])
    .map(([column, text]) => ({ column, text, number: counts?.without[column] ?? 0 }))
    .sort((one, other) => other.number - one.number);
  return html`
    <div class="empty">
      <h1>Nothing found</h1>
      ${advice.map(({ column, number, text }) => html`
        <p key=${column}><button type="button" class="button" onClick=${() => remove(column)}>
          Remove ${text}</button>
          ${number ? ` leaves ${count(number)} items to search in` : " alone does not help"}</p>`)}
      ${state.picked.length > 0 && html`
        <p><button type="button" class="button" onClick=${() => go({ picked: [] })}>
        Search beyond the selection on the map</button></p>`}
      ${state.percentile !== null && html`
        <p><button type="button" class="button" onClick=${() => go({ percentile: null })}>
        Show what is farther, too</button> nothing is nearer than ${state.percentile} % of random pairs</p>`}
      ${state.mode === "text" && html`<p><button type="button" class="button" onClick=${() => go({ mode: "hybrid" })}>
        Search by meaning, too</button> no item has these words</p>`}
      ${!advice.length && !state.picked.length && state.percentile === null && state.mode !== "text" && html`
        <p>No item takes part in this search.</p>`}
    </div>`;
}
