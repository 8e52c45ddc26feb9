// What is known of an item: how it matches, its columns, its versions, its history.
import { html } from "../../vendor/preact-htm.js";
import { mediaUrl } from "../api.js";
import { bytes, count, day, percent, value } from "../format.js";

export function Match({ hit }) {
  const ranks = Object.entries(hit.ranks);
  if (hit.score == null && !ranks.length) return null;
  const verdict = hit.percentile != null && html`
    <b class=${hit.good ? "good" : "weak"}>${hit.good ? "Good match" : "Likely no good match"}</b>:
    ${" "}nearer than ${percent(hit.percentile).replace("> ", "")} of random pairs.${" "}`;
  return html`
    <section><h3>Match</h3>
      <p>${verdict}${hit.score != null && `Similarity ${hit.score.toFixed(3)} in ${hit.space}. `}
        ${ranks.map(([name, rank]) => html`
          <span class="why" key=${name}>${name.replace(":words", ", by words")} #${rank}</span>`)}</p>
    </section>`;
}

export function About({ hit, item }) {
  const rows = [
    ...Object.entries(hit.columns ?? {}).map(([name, found]) => [name, value(found)]),
    ["labels", hit.labels.join(", ")],
    ["source", hit.source],
    ["key", hit.key],
  ];
  if (item) {
    const size = item.size != null ? `, ${bytes(item.size)}` : "";
    rows.push(["kind", `${item.mime || item.modality}${size}`], ["address", item.uri]);
    rows.push(["hash", item.content_hash.slice(0, 16)]);
  }
  return html`
    <section><h3>About</h3>
      <dl class="columns">
        ${rows.filter(([, shown]) => shown).map(([name, shown]) => html`
          <div key=${name}><dt>${name}</dt><dd>${shown}</dd></div>`)}
      </dl>
      ${item?.status === "ok" && html`
        <a href=${mediaUrl(hit.media_id)} target="_blank" rel="noopener">Open the file</a>`}
    </section>`;
}

const HEADS = ["encoder", "version", "space", "state", "spans", "embedded"];

export const Versions = ({ item }) => item.versions.length > 0 && html`
  <section><h3>Versions</h3>
    <div class="scroll" tabindex="0" role="group" aria-label="Versions"><table>
      <thead><tr>${HEADS.map((each) => html`<th key=${each}>${each}</th>`)}</tr></thead>
      <tbody>${item.versions.map((each) => html`
        <tr key=${each.encoder + each.version}>
          <td>${each.encoder}</td><td><code>${each.version}</code></td><td>${each.space}</td>
          <td>${each.reason ? `quarantined: ${each.reason}` : each.state}${each.stale && ", stale"}</td>
          <td>${count(each.segments)}</td><td>${day(each.embedded_at)}</td></tr>`)}</tbody>
    </table></div>
  </section>`;

export const History = ({ item }) => item.history.length > 0 && html`
  <section><h3>History</h3>
    <ol class="history">${item.history.map((each) => html`
      <li key=${each.at + each.event}><time datetime=${each.at}>${day(each.at)}</time> <b>${each.event}</b>
        ${" "}<span>${each.event === "read" ? each.detail.slice(0, 16) : each.detail}</span></li>`)}</ol>
  </section>`;
