// The drawer: one item with its spans, columns, neighbours, versions and history, and what can be done with it.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { call, mediaUrl, thumbnailUrl } from "../api.js";
import { asCurl, asPython, copy } from "../copy.js";
import { bytes, count, day, isTimed, nameOf, percent, spanText, value } from "../format.js";
import { Icon } from "./icons.js";
import { Passage, Player, Thumbnail } from "./media.js";

const NEIGHBOURS = 12;
const SAME = 0.99; // similarity from which an item counts as a near duplicate, as the service folds them
const LISTED = 30; // spans that are shown at once

export function Drawer({ id, hit: found, state, words, judged, onJudge, onLike, onClose, onOpen, hrefOf, onStep }) {
  const [item, setItem] = useState(null);
  const [problem, setProblem] = useState("");
  const heading = useRef(null);
  useEffect(() => {
    const abort = new AbortController();
    setItem(null);
    setProblem("");
    call(`/items/${encodeURIComponent(id)}`, { signal: abort.signal })
      .then(setItem, (error) => error.name !== "AbortError" && setProblem(error.message));
    return () => abort.abort();
  }, [id]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), [id]);
  const hit = found ?? (item && hitOf(item));
  const name = hit ? nameOf(hit.key) : "";
  return html`
    <aside class="drawer" aria-label="Item">
      <header>
        <h2 ref=${heading} tabindex="-1" title=${hit && `${hit.source}/${hit.key}`}>${name || "Item"}</h2>
        ${onStep && html`
          <button type="button" class="quiet" title="Result before (←)" onClick=${() => onStep(-1)}>‹<span class="vh">Result before</span></button>
          <button type="button" class="quiet" title="Result after (→)" onClick=${() => onStep(1)}>›<span class="vh">Result after</span></button>`}
        <button type="button" class="quiet close" title="Close (Esc)" onClick=${onClose}><${Icon} name="close" /><span class="vh">Close</span></button>
      </header>
      <div class="drawer-body">
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        ${hit && html`
          <${Item} key=${id} hit=${hit} item=${item} words=${words} actions=${html`
            <${Actions} hit=${hit} state=${state} judged=${judged} onJudge=${onJudge} onLike=${onLike} />`} />
          <${Neighbours} id=${id} hit=${hit} item=${item} hrefOf=${hrefOf} onOpen=${onOpen} />`}
        ${item && html`<${Versions} item=${item} /><${History} item=${item} />`}
      </div>
    </aside>`;
}

const hitOf = (item) => ({
  ...item, score: null, percentile: null, good: null, start: null, end: null, space: spaceOf(item), spans: [], ranks: {},
  duplicates: [],
});

const spaceOf = (item) => (item.versions.find((each) => each.state === "live") ?? item.versions[0])?.space ?? "";

function Item({ hit, item, words, actions }) {
  const [span, setSpan] = useState({ start: hit.start, end: hit.end, toggled: 0 });
  const choose = (each) => setSpan({ start: each.start, end: each.end, toggled: span.toggled + 1 });
  const original = item && item.status === "ok" ? html`<a href=${mediaUrl(hit.media_id)} target="_blank" rel="noopener">Open the file</a>` : null;
  return html`
    <div class="large">
      ${isTimed(hit.modality) ? html`<${Player} key=${`${span.start}-${span.end}`} hit=${hit} start=${span.start} end=${span.end} side=${768} toggled=${span.toggled} />`
        : hit.modality === "image" ? html`<a href=${mediaUrl(hit.media_id)} target="_blank" rel="noopener" aria-label="Open the picture">
            <${Thumbnail} hit=${hit} side=${768} alt=${hit.text ?? nameOf(hit.key)} /></a>`
        : html`<${Passage} text=${hit.text} words=${words} />`}
    </div>
    ${hit.modality !== "text" && hit.text && html`<p class="caption">${hit.text}</p>`}
    ${actions}
    ${item?.reason && html`<p class="problem">Quarantined: ${item.reason}. ${item.detail}</p>`}
    <${Why} hit=${hit} />
    <${Spans} hit=${hit} item=${item} words=${words} chosen=${span} onChoose=${choose} />
    <section><h3>About</h3>
      <dl class="columns">
        ${Object.entries(hit.columns ?? {}).filter(([, found]) => found != null).map(([name, found]) => html`
          <div key=${name}><dt>${name}</dt><dd>${value(found)}</dd></div>`)}
        ${hit.labels.length > 0 && html`<div><dt>labels</dt><dd>${hit.labels.join(", ")}</dd></div>`}
        <div><dt>source</dt><dd>${hit.source}</dd></div>
        <div><dt>key</dt><dd>${hit.key}</dd></div>
        ${item && html`
          <div><dt>kind</dt><dd>${item.mime || item.modality}${item.size != null ? `, ${bytes(item.size)}` : ""}</dd></div>
          ${item.uri && html`<div><dt>address</dt><dd>${item.uri}</dd></div>`}
          <div><dt>hash</dt><dd><code>${item.content_hash.slice(0, 16)}</code></dd></div>`}
      </dl>${original}
    </section>`;
}

function Why({ hit }) {
  if (hit.score == null && !Object.keys(hit.ranks).length) return null;
  return html`
    <section><h3>Match</h3>
      <p>${hit.percentile != null && html`<b class=${hit.good ? "good" : "weak"}>${hit.good ? "Good match" : "Likely no good match"}</b>: nearer than
        ${" "}${percent(hit.percentile)} of random pairs. `}
        ${hit.score != null && html`Similarity ${hit.score.toFixed(3)} in ${hit.space}. `}
        ${Object.entries(hit.ranks).map(([name, rank]) => html`<span class="why" key=${name}>${name.replace(":words", ", by words")} #${rank}</span>`)}</p>
    </section>`;
}

function Spans({ hit, item, words, chosen, onChoose }) {
  const [all, setAll] = useState(false);
  const version = item?.versions.find((each) => each.space === hit.space && each.state === "live");
  const listed = version?.spans.filter((each) => each.start != null) ?? [];
  const best = hit.spans.filter((each) => each.start != null);
  const shown = all ? listed.slice(0, 1000) : best.length ? best : listed.slice(0, LISTED);
  if (!shown.length) return null;
  const more = listed.length > shown.length;
  return html`
    <section><h3>${all || !best.length ? "All spans" : "Best spans"}</h3>
      <ol class=${`spans ${isTimed(hit.modality) ? "timed" : ""}`}>
        ${shown.map((each) => html`
          <li key=${each.start} class=${each.start === chosen.start ? "chosen" : ""}>
            ${isTimed(hit.modality) ? html`
              <button type="button" onClick=${() => onChoose(each)}><${Icon} name="play" size=${13} />
                ${spanText(hit.modality, each.start, each.end)}${each.score != null && html` <small>${each.score.toFixed(2)}</small>`}</button>`
              : html`<small>${spanText(hit.modality, each.start, each.end)}${each.score != null ? ` · ${each.score.toFixed(2)}` : ""}</small>
                <${Passage} text=${each.text} words=${words} most=${all ? Infinity : 300} />`}
          </li>`)}
      </ol>
      ${(more || all) && html`<button type="button" class="plain" onClick=${() => setAll(!all)}>
        ${all ? "Show fewer" : `Show all ${count(version.segments)}`}</button>`}
    </section>`;
}

function Actions({ hit, state, judged, onJudge, onLike }) {
  const [copied, setCopied] = useState("");
  const take = async (name, text) => {
    await copy(text);
    setCopied(name);
    setTimeout(() => setCopied(""), 1500);
  };
  const mark = judged(hit);
  const copies = [["link", "Copy link", () => location.href], ["curl", "Copy as curl", () => asCurl(state)],
    ["Python", "Copy as Python", () => asPython(state)]];
  return html`
    <div class="actions">
      <button type="button" class="button" onClick=${() => onLike(hit)}><${Icon} name="like" size=${16} /> More like this</button>
      ${onJudge && html`
        <button type="button" class="button" aria-pressed=${mark === true} onClick=${() => onJudge(hit, true)}><${Icon} name="good" size=${16} /> Good</button>
        <button type="button" class="button" aria-pressed=${mark === false} onClick=${() => onJudge(hit, false)}><${Icon} name="bad" size=${16} /> Bad</button>`}
      ${copies.filter(([name]) => name === "link" || state.words || state.parts.length).map(([name, label, text]) => html`
        <button type="button" class="button" key=${name} onClick=${() => take(name, text())}>
          <${Icon} name=${name === "link" ? "link" : "copy"} size=${16} /> ${copied === name ? "Copied" : label}</button>`)}
      <span class="vh" role="status">${copied && `${copied} copied`}</span>
    </div>`;
}

function Neighbours({ id, hit, item, hrefOf, onOpen }) {
  const [near, setNear] = useState(null);
  const space = hit.space || (item && spaceOf(item));
  useEffect(() => {
    if (!space) return undefined;
    const abort = new AbortController();
    setNear(null);
    call("/search", { body: { parts: [{ item: id }], spaces: [space], k: NEIGHBOURS }, signal: abort.signal })
      .then((answer) => setNear(answer.hits), (error) => error.name !== "AbortError" && setNear([]));
    return () => abort.abort();
  }, [id, space]);
  if (near && !near.length) return null;
  const same = near?.filter((each) => each.score >= SAME) ?? [];
  const others = near?.filter((each) => each.score < SAME) ?? [];
  return html`
    ${same.length > 0 && html`<section><h3>Near duplicates</h3><${Strip} hits=${same} hrefOf=${hrefOf} onOpen=${onOpen} /></section>`}
    <section><h3>Neighbours</h3>${near ? html`<${Strip} hits=${others} hrefOf=${hrefOf} onOpen=${onOpen} />` : html`<div class="strip" />`}</section>`;
}

const Strip = ({ hits, hrefOf, onOpen }) => html`
  <ul class="strip">${hits.map((hit) => html`
    <li key=${hit.media_id}><a href=${hrefOf(hit)} title=${`${hit.source}/${hit.key}: ${hit.score}`}
      onClick=${(event) => { event.preventDefault(); onOpen(hit); }}>
      ${hit.modality === "image" || hit.modality === "video" ? html`<img loading="lazy" alt="" draggable="false"
          src=${thumbnailUrl(hit.media_id, 160, hit.modality === "video" ? hit.start : 0)} />`
        : html`<span class="tile"><${Icon} name=${hit.modality} size=${16} />${hit.modality === "text" && html`<small>${(hit.text ?? "").slice(0, 60)}</small>`}</span>`}
      <span class="strip-name">${nameOf(hit.key)}</span></a></li>`)}</ul>`;

const Versions = ({ item }) => item.versions.length > 0 && html`
  <section><h3>Versions</h3>
    <div class="scroll" tabindex="0" role="group" aria-label="Versions"><table>
      <thead><tr><th>encoder</th><th>version</th><th>space</th><th>state</th><th>spans</th><th>embedded</th></tr></thead>
      <tbody>${item.versions.map((each) => html`
        <tr key=${each.encoder + each.version}><td>${each.encoder}</td><td><code>${each.version}</code></td><td>${each.space}</td>
          <td>${each.reason ? `quarantined: ${each.reason}` : each.state}${each.stale ? ", stale" : ""}</td>
          <td>${count(each.segments)}</td><td>${day(each.embedded_at)}</td></tr>`)}</tbody>
    </table></div>
  </section>`;

const History = ({ item }) => item.history.length > 0 && html`
  <section><h3>History</h3>
    <ol class="history">${item.history.map((each) => html`
      <li key=${each.at + each.event}><time datetime=${each.at}>${day(each.at)}</time> <b>${each.event}</b> ${" "}
        <span>${each.event === "read" ? each.detail.slice(0, 16) : each.detail}</span></li>`)}</ol>
  </section>`;
