// The drawer: one item with its spans, columns, neighbours, versions and history, and what can be done with it.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { call, mediaUrl } from "../api.js";
import { isTimed, nameOf } from "../format.js";
import { Actions } from "./actions.js";
import { IconButton } from "./icons.js";
import { About, History, Match, Versions } from "./item_facts.js";
import { Passage, Player, Thumbnail } from "./media.js";
import { Neighbours } from "./neighbours.js";
import { Spans } from "./spans.js";

export function Drawer({ id, hit: found, state, words, judged, onJudge, onLike, onClose, onOpen, hrefOf, onStep }) {
  const [item, problem] = useItem(id);
  const heading = useRef(null);
  useEffect(() => heading.current?.focus({ preventScroll: true }), [id]);
  const hit = found ?? (item && hitOf(item));
  const actions = hit && html`
    <${Actions} hit=${hit} state=${state} judged=${judged} onJudge=${onJudge} onLike=${onLike} />`;
  return html`
    <aside class="drawer" aria-label="Item">
      <header>
        <h2 ref=${heading} tabindex="-1" title=${hit && `${hit.source}/${hit.key}`}>
          ${hit ? nameOf(hit.key) : "Item"}</h2>
        ${onStep && html`
          <${IconButton} name="before" label="Result before" title="Result before (←)" onClick=${() => onStep(-1)} />
          <${IconButton} name="after" label="Result after" title="Result after (→)" onClick=${() => onStep(1)} />`}
        <${IconButton} name="close" label="Close" title="Close (Esc)" onClick=${onClose} />
      </header>
      <div class="drawer-body">
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        ${hit && html`
          <${Item} key=${id} hit=${hit} item=${item} words=${words} actions=${actions} />
          <${Neighbours} id=${id} space=${hit.space} hrefOf=${hrefOf} onOpen=${onOpen} />`}
        ${item && html`<${Versions} item=${item} /><${History} item=${item} />`}
      </div>
    </aside>`;
}

function useItem(id) {
  const [item, setItem] = useState(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    const abort = new AbortController();
    setItem(null);
    setProblem("");
    call(`/items/${encodeURIComponent(id)}`, { signal: abort.signal })
      .then(setItem, (error) => error.name !== "AbortError" && setProblem(error.message));
    return () => abort.abort();
  }, [id]);
  return [item, problem];
}

// An item that no search found, as a hit without a score; of a text the first passage is shown.
function hitOf(item) {
  const version = item.versions.find((each) => each.state === "live") ?? item.versions[0];
  return {
    ...item, score: null, percentile: null, good: null, start: null, end: null, spans: [], ranks: {}, duplicates: [],
    space: version?.space ?? "", text: item.text ?? version?.spans[0]?.text,
  };
}

function Item({ hit, item, words, actions }) {
  const [span, setSpan] = useState({ start: hit.start, end: hit.end, toggled: 0 });
  const choose = ({ start, end }) => setSpan({ start, end, toggled: span.toggled + 1 });
  return html`
    <div class="large"><${Large} hit=${hit} span=${span} words=${words} /></div>
    ${hit.modality !== "text" && hit.text && html`<p class="caption">${hit.text}</p>`}
    ${actions}
    ${item?.reason && html`<p class="problem">Quarantined: ${item.reason}. ${item.detail}</p>`}
    <${Match} hit=${hit} />
    <${Spans} hit=${hit} item=${item} words=${words} chosen=${span} onChoose=${choose} />
    <${About} hit=${hit} item=${item} />`;
}

function Large({ hit, span, words }) {
  if (isTimed(hit.modality)) {
    return html`<${Player} key=${`${span.start}-${span.end}`} hit=${hit} start=${span.start} end=${span.end} side=${768}
      toggled=${span.toggled} />`;
  }
  if (hit.modality !== "image") return html`<${Passage} text=${hit.text} words=${words} />`;
  return html`
    <a href=${mediaUrl(hit.media_id)} target="_blank" rel="noopener" aria-label="Open the picture">
      <${Thumbnail} hit=${hit} side=${768} alt=${hit.text ?? nameOf(hit.key)} /></a>`;
}
