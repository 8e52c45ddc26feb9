// Compare: one query on what is live and on another version side by side, with what moved.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { nameOf } from "../format.js";
import { hasQuery, queryBody } from "../query.js";
import { Score } from "./card.js";
import { Icon } from "./icons.js";
import { Passage, Thumbnail } from "./media.js";

const MOST = 30; // results of a side

export function Compare({ state, space, words, hrefOf, onOpen, go, epoch }) {
  const [answers, setAnswers] = useState(null);
  const [problem, setProblem] = useState("");
  const version = state.compare;
  const spaces = [space.space];
  const bodies = hasQuery(state) ? [queryBody(state, { spaces }), queryBody(state, { spaces, version })] : [];
  useEffect(() => {
    if (!bodies.length) return setAnswers(null);
    const abort = new AbortController();
    setProblem("");
    const ask = (body) => call("/search", { body: { ...body, k: Math.min(body.k, MOST) }, signal: abort.signal });
    Promise.all(bodies.map(ask))
      .then(setAnswers, (error) => error.name !== "AbortError" && setProblem(error.message));
    return () => abort.abort();
  }, [JSON.stringify(bodies), epoch]);
  const others = (space.versions ?? []).filter((each) => each.rows > 0 && each.state !== "live");
  return html`
    <section class="compare" aria-label="Comparison of versions">
      <h1 class="vh">Comparison</h1>
      <header>
        <p>Space <b>${space.space}</b>: what is live beside${" "}
          <select aria-label="Version to compare with" value=${version}
            onChange=${(event) => go({ compare: event.target.value })}>
            ${others.every((each) => each.version !== version) && html`<option value=${version}>${version}</option>`}
            ${others.map((each) => html`
              <option key=${each.version} value=${each.version}>
                ${each.state} ${each.version} (${each.model})</option>`)}
          </select></p>
        <button type="button" class="button" onClick=${() => go({ compare: "" })}>
          <${Icon} name="close" size=${16} /> End comparison</button>
      </header>
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      ${!bodies.length && html`<p class="soft">Search for something to compare what the versions find.</p>`}
      ${answers && html`<${Sides} answers=${answers} words=${words} hrefOf=${hrefOf} onOpen=${onOpen} version=${version}
        live=${space.live?.encoder_version} />`}
    </section>`;
}

function Sides({ answers, words, hrefOf, onOpen, version, live }) {
  const ranks = answers.map((answer) => new Map(answer.hits.map((hit) => [hit.media_id, hit.rank])));
  const kept = [...ranks[0].keys()].filter((id) => ranks[1].has(id)).length;
  const titles = [`Live ${live ?? ""}`, `Version ${version}`];
  return html`
    <p class="summary" role="status">${kept} of ${answers[0].hits.length} results are on both sides.</p>
    <div class="sides">
      ${answers.map((answer, side) => html`
        <div key=${side}><h2>${titles[side]}</h2>
          <ol aria-label=${titles[side]}>${answer.hits.map((hit) => html`
            <${Row} key=${hit.media_id} hit=${hit} other=${ranks[1 - side].get(hit.media_id)} isLive=${side === 0}
              words=${words} href=${hrefOf(hit)} onOpen=${onOpen} />`)}</ol>
        </div>`)}
    </div>`;
}

// What became of a result: of those that are live only whether they are gone.
function movement(rank, other, isLive) {
  if (other == null) return isLive ? ["gone", "gone"] : ["new", "new"];
  if (isLive || other === rank) return ["", ""];
  return other > rank ? ["up", `↑ ${other - rank}`] : ["down", `↓ ${rank - other}`];
}

function Row({ hit, other, isLive, words, href, onOpen }) {
  const [kind, badge] = movement(hit.rank, other, isLive);
  const open = (event) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    onOpen(hit);
  };
  return html`
    <li class=${`row ${kind}`} data-id=${hit.media_id}>
      <span class="rank">${hit.rank}</span>
      ${hit.modality !== "text" && html`<span class="row-picture"><${Thumbnail} hit=${hit} side=${128} /></span>`}
      <div><a class="name" href=${href} onClick=${open}>${nameOf(hit.key)}</a>
        ${hit.modality === "text" && html`<${Passage} text=${hit.text} words=${words} most=${140} />`}
        <${Score} hit=${hit} /></div>
      ${badge && html`<span class="moved">${badge}</span>`}
    </li>`;
}
