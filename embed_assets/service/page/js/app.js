// The whole page: its state is the address; what the service answers hangs on it.
import { html, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { call } from "./api.js";
import { focusBox, focusItem, listen, showItem } from "./keyboard.js";
import { stop } from "./players.js";
import { countFilters, hasQuery, queryBody, whereOf, wordsOf } from "./query.js";
import { EMPTY, writeAddress } from "./state/address.js";
import { useAddress } from "./state/use_address.js";
import { useAnswer } from "./state/use_answer.js";
import { useDrop, useFiles } from "./state/use_files.js";
import { useJudgements } from "./state/use_judgements.js";
import { useNarrow } from "./state/use_narrow.js";
import { useService } from "./state/use_service.js";
import { Banner } from "./view/banner.js";
import { Content } from "./view/content.js";
import { Dialog, HelpDialog, KeyDialog } from "./view/dialogs.js";
import { Drawer } from "./view/drawer.js";
import { Facets, loadFacets } from "./view/facets.js";
import { Icon, IconButton } from "./view/icons.js";
import { MapButton, Options, SpaceChoice, ThemeButton } from "./view/options.js";
import { SearchBox } from "./view/search_box.js";

const NOTE_MS = 6000;

export function App() {
  const [state, go] = useAddress();
  const [note, setNote] = useState("");
  const [help, setHelp] = useState(false);
  const [sheet, setSheet] = useState(false);
  const [toggles, setToggles] = useState({});
  const narrow = useNarrow();
  const service = useService(setNote);
  const files = useFiles(go, service.overview?.limits.upload_bytes);
  const isOver = useDrop(files.take);
  const { judge, judged } = useJudgements(state, service.overview?.may_judge, setNote);
  const { search, facets, counted, comparing } = useAnswers(state, service);
  const words = wordsOf(state);
  const hits = search.answer?.hits ?? [];
  const hitOf = (id) => hits.find((hit) => hit.media_id === id);

  const hrefOf = (hit) => writeAddress({ ...state, item: hit.media_id });
  const open = (hit) => go({ item: hit.media_id }, { opened: (history.state?.opened ?? 0) + 1 });
  const close = () => (history.state?.opened ? history.go(-history.state.opened) : go({ item: "" }, { replace: true }));
  const place = hits.findIndex((hit) => hit.media_id === state.item);
  const step = (by) => hits[place + by] && go({ item: hits[place + by].media_id }, { replace: true });
  const like = (hit) => {
    const label = `${hit.source}/${hit.key}`;
    const part = { kind: "item", weight: 1, value: hit.media_id, type: hit.modality, label };
    const others = state.parts.filter((each) => each.value !== part.value);
    go({ parts: [...others, part], words: "", item: "", k: undefined });
    scrollTo({ top: 0 });
    focusBox();
  };
  useKeys({
    openHelp: () => setHelp(true),
    close: (focus) => {
      if (focus?.id === "q" && focus.value) go({ words: "", k: undefined });
      else if (state.item) close();
      else if (focus?.id === "q") focus.blur();
      else return false;
      return true;
    },
    play: (id) => setToggles((all) => ({ ...all, [id]: (all[id] ?? 0) + 1 })),
    like: (id) => hitOf(id) && like(hitOf(id)),
    judge: (id, good) => judge && hitOf(id) && judge(hitOf(id), good),
    step,
  });
  useOpenItem(state.item);
  useEffect(() => void (document.title = words ? `${words} · embed-assets` : "embed-assets"), [words]);
  useEffect(() => stop(), [search.answer, state.item]);
  useEffect(() => {
    const timer = setTimeout(() => setNote(""), NOTE_MS);
    return () => clearTimeout(timer);
  }, [note]);

  const panel = facets.answer && html`
    <${Facets} facets=${facets.answer.facets} state=${state} go=${go} spaces=${counted} />`;
  const filters = countFilters(state);
  const home = (event) => {
    event.preventDefault();
    go({ ...EMPTY });
    focusBox();
  };
  return html`
    <div class=${`page ${state.item ? "with-drawer" : ""}`} inert=${Boolean(narrow && state.item)}>
      <header class="top">
        <a class="brand" href="/" onClick=${home}>
          <img src="/icon.svg" alt="" width="26" height="26" /><span>embed-assets</span></a>
        <${SearchBox} state=${state} go=${go} onFiles=${files.take} uploads=${files.uploads} previews=${files.previews}>
          <${SpaceChoice} state=${state} go=${go} spaces=${service.spaces} />
          <${Options} state=${state} go=${go} reranker=${service.overview?.reranker} />
          <${MapButton} state=${state} go=${go} />
          ${narrow && html`<button type="button" class="button" onClick=${() => setSheet(true)}>
            <${Icon} name="filter" /> Filters ${filters > 0 && html`<b class="count">${filters}</b>`}</button>`}
        <//>
        <div class="tools"><${ThemeButton} />
          <${IconButton} name="keys" label="Keys" title="Keys (?)" onClick=${() => setHelp(true)} /></div>
      </header>
      <${Banner} spaces=${service.spaces}
        onCompare=${(each) => go({ spaces: [each.space], compare: each.version, item: "" })} />
      <div class="columns-of-page">
        ${!narrow && html`<nav class="side" aria-label="Filters">${panel}</nav>`}
        <main>
          ${[files.problem, search.problem].filter(Boolean).map((each) => html`
            <p class="problem" role="alert" key=${each}>${each}</p>`)}
          <${Content} state=${state} go=${go} service=${service} search=${search} facets=${facets.answer} words=${words}
            comparing=${comparing} hrefOf=${hrefOf} onOpen=${open} onLike=${like} toggles=${toggles} />
        </main>
      </div>
    </div>
    ${state.item && html`
      <${Drawer} id=${state.item} hit=${hitOf(state.item)} state=${state} words=${words} hrefOf=${hrefOf} onOpen=${open}
        judged=${judged} onJudge=${judge} onLike=${like} onClose=${close}
        onStep=${place >= 0 && hits.length > 1 && step} />`}
    ${sheet && narrow && html`
      <${Dialog} label="Filters" className="sheet" onClose=${() => setSheet(false)}>
        <form method="dialog"><h2>Filters</h2>
          <button class="primary">Show ${facets.answer?.total ?? ""} items</button></form>${panel}<//>`}
    ${help && html`<${HelpDialog} onClose=${() => setHelp(false)} />`}
    ${service.locked && html`<${KeyDialog} onUnlocked=${service.unlocked} />`}
    ${isOver && html`<div class="drop" aria-hidden="true"><p>Drop it to search by it</p></div>`}
    <div class="toast" role="status">${note}</div>`;
}

// Results and counts for the state at hand. Counts are of the spaces that can answer the query.
function useAnswers(state, { ready, epoch, spaces }) {
  const comparing = state.compare && spaces.find((each) => each.space === (state.spaces[0] ?? spaces[0].space));
  const body = hasQuery(state) && !state.compare ? queryBody(state) : null;
  const bodyKey = ready && body ? `${epoch} ${JSON.stringify(body)}` : "";
  const search = useAnswer((signal) => call("/search", { body, signal }), bodyKey);
  const searched = search.answer?.spaces.map((each) => each.space) ?? [];
  const counted = state.spaces.length || searched.length === spaces.length ? state.spaces : searched;
  const countedKey = ready ? `${epoch} ${JSON.stringify([whereOf(state), counted])}` : "";
  const facets = useAnswer((signal) => loadFacets(state, counted, signal), countedKey);
  return { search, facets, counted, comparing };
}

// Listens once, and calls what the latest drawing of the page says.
function useKeys(actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const calls = Object.keys(actions).map((name) => [name, (...given) => latest.current[name](...given)]);
    return listen(Object.fromEntries(calls));
  }, []);
}

// Keeps the open item's card in sight, and gives it the focus where the drawer that had it is closed.
function useOpenItem(item) {
  const before = useRef("");
  useEffect(() => {
    if (item) requestAnimationFrame(() => showItem(item));
    else if (before.current && document.activeElement === document.body) focusItem(before.current);
    before.current = item;
  }, [item]);
}
