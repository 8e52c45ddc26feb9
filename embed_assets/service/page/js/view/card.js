// A result as a card. Its link has the keyboard's focus, and is the address with the item open.
import { html } from "../../vendor/preact-htm.js";
import { isTimed, nameOf, percent, spanText } from "../format.js";
import { IconButton } from "./icons.js";
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
    <li class=${["card", hit.modality, hit.good === false && "weak", isOpen && "open"].filter(Boolean).join(" ")}
      data-id=${hit.media_id}>
      <div class="shown">
        <${Preview} hit=${hit} words=${words} toggled=${toggled} />
        ${span && html`<span class="span">${span}</span>`}
        ${hit.duplicates.length > 0 && html`
          <span class="folded" title=${hit.duplicates.join("\n")}>+${hit.duplicates.length} alike</span>`}
      </div>
      <div class="facts">
        <a class="name" href=${href} tabindex=${isFirst ? 0 : -1} title=${`${hit.source}/${hit.key}`}
          onClick=${open}>${name}</a>
        <${IconButton} name="like" label=${`More like ${name}`} title="More like this (m)" size=${16} class="quiet like"
          tabindex="-1" onClick=${() => onLike(hit)} />
        <${Score} hit=${hit} />
      </div>
    </li>`;
}

// A ranking as a person calls it: words or meaning of one space, or the space.
function arm(name, ranks) {
  if (name.endsWith(":words")) return "words";
  return `${name}:words` in ranks ? "meaning" : name;
}

export function Score({ hit }) {
  const ranks = Object.entries(hit.ranks ?? {});
  const isFused = ranks.length > 1 || hit.score == null;
  const why = isFused ? ranks.map(([name, rank]) => `${arm(name, hit.ranks)} #${rank}`) : [];
  return html`
    <span class="score">
      ${hit.percentile != null ? html`<span class=${hit.good ? "percentile good" : "percentile"}
        title=${`Nearer than ${hit.percentile} % of random pairs`}>${percent(hit.percentile)}</span>` : null}
      ${hit.score != null && html`<span class="raw" title="Similarity">${hit.score.toFixed(2)}</span>`}
      ${why.map((each) => html`<span class="why" key=${each}>${each}</span>`)}
      <span class="where">${hit.source}${hit.labels.length ? ` · ${hit.labels.slice(0, 2).join(", ")}` : ""}</span>
    </span>`;
}
