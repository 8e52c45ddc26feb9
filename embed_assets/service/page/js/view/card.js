// A result as a card. Its link has the keyboard's focus, and is the address with the item open.
import { html } from "../../vendor/preact-htm.js";
import { isTimed, nameOf, percent, spanText } from "../format.js";
import { Icon } from "./icons.js";
import { Preview } from "./media.js";

export function Card({ hit, words, href, isFirst, onOpen, onLike, toggled, isOpen }) {
  const span = isTimed(hit.modality) ? spanText(hit.modality, hit.start, hit.end) : "";
  const name = nameOf(hit.key);
  const open = (event) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    onOpen(hit);
  };
  return html`
    <li class=${`card ${hit.modality} ${hit.good === false ? "weak" : ""} ${isOpen ? "open" : ""}`} data-id=${hit.media_id}>
      <div class="shown">
        <${Preview} hit=${hit} words=${words} toggled=${toggled} />
        ${span && html`<span class="span">${span}</span>`}
        ${hit.duplicates.length > 0 && html`<span class="folded" title=${hit.duplicates.join("\n")}>+${hit.duplicates.length} alike</span>`}
      </div>
      <div class="facts">
        <a class="name" href=${href} tabindex=${isFirst ? 0 : -1} title=${`${hit.source}/${hit.key}`} onClick=${open}>${name}</a>
        <button type="button" class="quiet like" tabindex="-1" title="More like this (m)" onClick=${() => onLike(hit)}>
          <${Icon} name="like" size=${16} /><span class="vh">More like ${name}</span></button>
        <${Score} hit=${hit} />
      </div>
    </li>`;
}

export function Score({ hit }) {
  const ranks = Object.entries(hit.ranks ?? {});
  const why = ranks.length > 1 || hit.score == null
    ? ranks.map(([name, rank]) => `${name.endsWith(":words") ? "words" : ranks.some(([each]) => each === `${name}:words`)
      ? "meaning" : name} #${rank}`) : [];
  return html`
    <span class="score">
      ${hit.percentile != null ? html`<span class=${hit.good ? "good" : ""}
        title=${`Nearer than ${hit.percentile} % of random pairs; similarity ${hit.score}`}>${percent(hit.percentile)}</span>` : null}
      ${hit.score != null && html`<span class="raw" title="Similarity">${hit.score.toFixed(2)}</span>`}
      ${why.map((each) => html`<span class="why" key=${each}>${each}</span>`)}
      <span class="where">${hit.source}${hit.labels.length ? ` · ${hit.labels.slice(0, 2).join(", ")}` : ""}</span>
    </span>`;
}
