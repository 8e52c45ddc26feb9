// The items nearest to one, near duplicates apart.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { call, thumbnailUrl } from "../api.js";
import { nameOf } from "../format.js";
import { Icon } from "./icons.js";

const NEAREST = 12;
const SAME = 0.99; // similarity from which an item counts as a near duplicate, as the service folds them

export function Neighbours({ id, space, hrefOf, onOpen }) {
  const [near, setNear] = useState(null);
  useEffect(() => {
    if (!space) return setNear([]);
    const abort = new AbortController();
    setNear(null);
    call("/search", { body: { parts: [{ item: id }], spaces: [space], k: NEAREST }, signal: abort.signal })
      .then((answer) => setNear(answer.hits), (error) => error.name !== "AbortError" && setNear([]));
    return () => abort.abort();
  }, [id, space]);
  const strip = (title, hits) => hits.length > 0 && html`
    <section><h3>${title}</h3>
      <ul class="strip">${hits.map((hit) => html`
        <${Neighbour} key=${hit.media_id} hit=${hit} href=${hrefOf(hit)} onOpen=${onOpen} />`)}</ul></section>`;
  if (!near) return html`<section><h3>Neighbours</h3><div class="strip" /></section>`;
  return html`
    ${strip("Near duplicates", near.filter((each) => each.score >= SAME))}
    ${strip("Neighbours", near.filter((each) => each.score < SAME))}`;
}

function Neighbour({ hit, href, onOpen }) {
  const open = (event) => {
    event.preventDefault();
    onOpen(hit);
  };
  const isSeen = hit.modality === "image" || hit.modality === "video";
  const at = hit.modality === "video" ? hit.start : 0;
  return html`
    <li><a href=${href} title=${`${hit.source}/${hit.key}: ${hit.score}`} onClick=${open}>
      ${isSeen ? html`<img loading="lazy" alt="" draggable="false" src=${thumbnailUrl(hit.media_id, 160, at)} />`
        : html`<span class="tile"><${Icon} name=${hit.modality} size=${16} />
            ${hit.modality === "text" && html`<small>${(hit.text ?? "").slice(0, 60)}</small>`}</span>`}
      <span class="strip-name">${nameOf(hit.key)}</span></a></li>`;
}
