// The results: how many, active filters, the cards, and the line below which there is likely no good match.
import { html } from "../../vendor/preact-htm.js";
import { count, milliseconds } from "../format.js";
import { countFilters, listFilters, withFilter } from "../query.js";
import { Card } from "./card.js";
import { Icon } from "./icons.js";

export function ActiveFilters({ state, go }) {
  const listed = listFilters(state.filters);
  const picked = state.picked.length;
  if (!listed.length && !picked && state.percentile === null) return null;
  return html`
    <div class="active">
      ${listed.map(({ column, text, rest }) => html`
        <button type="button" class="chip filter" key=${text} title="Remove this filter"
          onClick=${() => go({ filters: withFilter(state.filters, column, rest) })}>
          ${text}<${Icon} name="close" size=${14} /><span class="vh">, remove</span></button>`)}
      ${state.percentile !== null && html`
        <button type="button" class="chip filter" onClick=${() => go({ percentile: null })}>
          nearer than ${state.percentile} %
          <${Icon} name="close" size=${14} /><span class="vh">, remove</span></button>`}
      ${picked > 0 && html`
        <button type="button" class="chip filter" onClick=${() => go({ picked: [], k: undefined })}>
          ${count(picked)} ${picked === 1 ? "item" : "items"} on the map
          <${Icon} name="close" size=${14} /><span class="vh">, remove</span></button>`}
      ${countFilters(state) > 1 && html`
        <button type="button" class="plain" onClick=${() => go({ filters: {}, picked: [] })}>Remove all</button>`}
    </div>`;
}

const timing = ({ encode_seconds: encode, search_seconds: search }) =>
  `${milliseconds(encode + search)} (encode ${milliseconds(encode)}, search ${milliseconds(search)})`;

export function Summary({ answer, total, isStale }) {
  if (!answer) return html`<p class="summary" role="status"> </p>`;
  const shown = answer.hits.length;
  return html`
    <p class="summary" role="status">
      <b>${shown ? `${count(shown)} ${shown === 1 ? "result" : "results"}` : "No results"}</b>
      ${total != null && shown ? html` of ${count(total)} items` : null}
      <span class="timing">${isStale ? "searching …" : timing(answer)}</span>
      ${answer.reranker && html`<span class="timing">ordered by ${answer.reranker}</span>`}
    </p>`;
}

export function Notes({ notes }) {
  if (notes.length < 2) return notes.map((each) => html`<p class="soft note" key=${each}>${each}</p>`);
  return html`<details class="soft note"><summary>${notes.length} notes on this search</summary>
    ${notes.map((each) => html`<p key=${each}>${each}</p>`)}</details>`;
}

// The place after the last good hit, where hits follow that are not; -1 where there is no such line.
function cutOff(hits) {
  const last = hits.findLastIndex((hit) => hit.good === true);
  return hits.slice(last + 1).some((hit) => hit.good === false) ? last + 1 : -1;
}

export function Results({ answer, words, isStale, open, hrefOf, onOpen, onLike, toggles, onMore, wanted }) {
  const { hits } = answer;
  const line = cutOff(hits);
  const allText = hits.every((hit) => hit.modality === "text");
  const card = (hit, place) => html`
    <${Card} key=${hit.media_id} hit=${hit} words=${words} href=${hrefOf(hit)} isFirst=${place === 0} onOpen=${onOpen}
      onLike=${onLike} toggled=${toggles[hit.media_id] ?? 0} isOpen=${open === hit.media_id} />`;
  return html`
    ${answer.good_match === false && hits.length > 0 && html`
      <div class="verdict"><b>No good match.</b> Nothing here is nearer to the query than unrelated items often are.
        ${" "}These are the nearest there are.</div>`}
    <ul class=${`grid ${allText ? "texts" : ""} ${isStale ? "stale" : ""}`} aria-label="Results">
      ${hits.map((hit, place) => [
        line > 0 && place === line && html`
          <li class="line" key="line"><span>Likely no good match below this line</span></li>`,
        card(hit, place),
      ])}
    </ul>
    ${onMore && hits.length >= wanted && html`
      <button type="button" class="button more" onClick=${onMore}>Show more</button>`}`;
}

export const Skeleton = () => html`
  <div class="grid skeleton" aria-hidden="true">
    ${Array.from({ length: 12 }, (_, place) => html`<div class="card" key=${place} />`)}</div>`;
