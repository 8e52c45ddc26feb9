// The whole page: its state is the address; what the service answers hangs on it.
import { html, useCallback, useEffect, useRef, useState } from "../vendor/preact-htm.js";
import { EMPTY, readAddress, writeAddress } from "./address.js";
import { beginSession, call, upload, whenLocked } from "./api.js";
import { bytes } from "./format.js";
import { focusBox, focusItem, listen } from "./keyboard.js";
import { stop } from "./players.js";
import { hasQuery, listFilters, modeOf, queryBody, wordsOf } from "./query.js";
import { Banner } from "./view/banner.js";
import { Compare } from "./view/compare.js";
import { Dialog, HelpDialog, KeyDialog } from "./view/dialogs.js";
import { Drawer } from "./view/drawer.js";
import { NothingFound, Welcome } from "./view/empty.js";
import { Facets, loadFacets } from "./view/facets.js";
import { Icon } from "./view/icons.js";
import { Options, SpaceChoice, ThemeButton } from "./view/options.js";
import { ActiveFilters, Notes, Results, Skeleton, Summary } from "./view/results.js";
import { SearchBox } from "./view/search_box.js";

const NARROW = matchMedia("(max-width: 820px)");
const MORE = 60;
const LOOK_AGAIN_MS = 60_000;

function useAddress() {
  const [state, setState] = useState(() => readAddress(location.search));
  const latest = useRef(state);
  latest.current = state;
  useEffect(() => {
    const back = () => setState(readAddress(location.search));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  const go = useCallback((changes, { replace = false, opened = 0 } = {}) => {
    const next = { ...latest.current, ...changes };
    if (next.k === undefined) next.k = EMPTY.k;
    latest.current = next;
    const address = writeAddress(next);
    if (address !== (location.search || location.pathname)) {
      if (replace) history.replaceState(history.state, "", address);
      else history.pushState({ opened }, "", address);
    }
    setState(next);
  }, []);
  return [state, go, latest];
}

// The answer to the newest request; the one before stays until then, and is aborted where it is under way.
function useAnswer(load, key) {
  const [found, setFound] = useState({ answer: null, problem: "", key: "" });
  useEffect(() => {
    if (!key) return setFound({ answer: null, problem: "", key });
    const abort = new AbortController();
    load(abort.signal).then(
      (answer) => setFound({ answer, problem: "", key }),
      (error) => error.name !== "AbortError" && setFound({ answer: null, problem: error.status === 401 ? "" : error.message, key }),
    );
    return () => abort.abort();
  }, [key]);
  return { ...found, isStale: found.key !== key };
}

function useNarrow() {
  const [narrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const change = () => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", change);
    return () => NARROW.removeEventListener("change", change);
  }, []);
  return narrow;
}

function useFiles(go, latest, limit) {
  const [uploads, setUploads] = useState([]);
  const [problem, setProblem] = useState("");
  const previews = useRef(new Map());
  const take = async (files) => {
    setProblem("");
    for (const file of files) {
      if (limit && file.size > limit) {
        setProblem(`${file.name} has ${bytes(file.size)}; the service takes at most ${bytes(limit)}.`);
        continue;
      }
      const show = (done) => setUploads((all) => [...all.filter((each) => each.name !== file.name), { name: file.name, done }]);
      show(0);
      try {
        const hash = await upload(file, show);
        previews.current.set(hash, URL.createObjectURL(file));
        const part = { kind: "file", weight: 1, value: hash, type: file.type.split("/")[0] || "file", label: file.name };
        go({ parts: [...latest.current.parts.filter((each) => each.value !== hash), part], item: "", k: undefined });
      } catch (error) {
        setProblem(`${file.name}: ${error.message}`);
      } finally {
        setUploads((all) => all.filter((each) => each.name !== file.name));
      }
    }
  };
  return { uploads, previews: previews.current, take, problem };
}

function useDrop(take) {
  const [over, setOver] = useState(false);
  const latest = useRef(take);
  latest.current = take;
  useEffect(() => {
    let depth = 0;
    const isFile = (event) => event.dataTransfer?.types.includes("Files");
    const enter = (event) => { if (isFile(event)) { depth += 1; setOver(true); } };
    const leave = (event) => { if (isFile(event) && (depth -= 1) <= 0) { depth = 0; setOver(false); } };
    const hover = (event) => isFile(event) && event.preventDefault();
    const drop = (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      latest.current([...event.dataTransfer.files]);
    };
    const paste = (event) => {
      const files = [...(event.clipboardData?.files ?? [])];
      if (files.length) { event.preventDefault(); latest.current(files); }
    };
    const events = { dragenter: enter, dragleave: leave, dragover: hover, drop, paste };
    for (const [name, call] of Object.entries(events)) addEventListener(name, call);
    return () => { for (const [name, call] of Object.entries(events)) removeEventListener(name, call); };
  }, []);
  return over;
}

// A judgement is of one query: words alone, or one file alone.
function judgedQuery(state) {
  if (state.words.trim() && !state.parts.length) return { text: state.words.trim() };
  const [part, ...others] = state.parts;
  return !state.words.trim() && part?.kind === "file" && part.weight > 0 && !others.length ? { upload: part.value } : null;
}

export function App() {
  const [state, go, latest] = useAddress();
  const [epoch, setEpoch] = useState(0);
  const [locked, setLocked] = useState(false);
  const [ready, setReady] = useState(false);
  const [overview, setOverview] = useState(null);
  const [help, setHelp] = useState(false);
  const [sheet, setSheet] = useState(false);
  const [toggles, setToggles] = useState({});
  const [marks, setMarks] = useState(new Map());
  const [note, setNote] = useState("");
  const narrow = useNarrow();
  const spaces = overview?.spaces ?? [];
  const files = useFiles(go, latest, overview?.limits.upload_bytes);
  const isOver = useDrop(files.take);

  useEffect(() => {
    whenLocked(() => setLocked(true));
    beginSession().catch(() => {}).finally(() => setReady(true));
  }, []);
  useEffect(() => {
    if (!ready) return undefined;
    const look = () => call("/spaces").then(setOverview, (error) => error.status !== 401 && setNote(error.message));
    look();
    const timer = setInterval(() => document.visibilityState === "visible" && look(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [ready, epoch]);

  const comparing = state.compare && spaces.find((each) => each.space === (state.spaces[0] ?? spaces[0]?.space));
  const body = hasQuery(state) && !state.compare ? queryBody(state) : null;
  const search = useAnswer((signal) => call("/search", { body, signal }), ready && body ? `${epoch} ${JSON.stringify(body)}` : "");
  const searched = search.answer?.spaces.map((each) => each.space) ?? [];
  const counted = state.spaces.length || searched.length === spaces.length ? state.spaces : searched;
  const facets = useAnswer((signal) => loadFacets(state, counted, signal),
    ready ? `${epoch} ${JSON.stringify([state.filters, counted])}` : "");
  const words = wordsOf(state);
  const hits = search.answer?.hits ?? [];
  useEffect(() => { document.title = words ? `${words} · embed-assets` : "embed-assets"; }, [words]);
  useEffect(() => stop(), [search.answer, state.item]);

  const open = (hit) => go({ item: hit.media_id }, { opened: (history.state?.opened ?? 0) + 1 });
  const hrefOf = (hit) => writeAddress({ ...state, item: hit.media_id });
  const like = (hit) => {
    const part = { kind: "item", weight: 1, value: hit.media_id, type: hit.modality, label: `${hit.source}/${hit.key}` };
    go({ parts: [...state.parts.filter((each) => each.value !== part.value), part], words: "", item: "", k: undefined });
    scrollTo({ top: 0 });
    focusBox();
  };
  const query = judgedQuery(state);
  const markKey = (hit) => `${JSON.stringify(query)} ${hit.space} ${hit.media_id}`;
  const judge = async (hit, good) => {
    try {
      await call("/judgements", { body: { space: hit.space, ...query, item: hit.media_id, good } });
      setMarks((all) => new Map(all).set(markKey(hit), good));
      setNote(`Marked as ${good ? "good" : "bad"}: ${hit.key}`);
    } catch (error) {
      setNote(error.message);
    }
  };
  const mayJudge = Boolean(overview?.may_judge && query);
  const closeItem = () => (history.state?.opened ? history.go(-history.state.opened) : go({ item: "" }, { replace: true }));
  const wasOpen = useRef("");
  useEffect(() => {
    if (!state.item && wasOpen.current && document.activeElement === document.body) focusItem(wasOpen.current);
    wasOpen.current = state.item;
  }, [state.item]);
  const place = hits.findIndex((hit) => hit.media_id === state.item);
  const step = (by) => hits[place + by] && go({ item: hits[place + by].media_id }, { replace: true });
  const hitOf = (id) => hits.find((hit) => hit.media_id === id);

  const keys = useRef({});
  keys.current = {
    openHelp: () => setHelp(true),
    close: (focus) => {
      if (focus?.id === "q" && focus.value) return go({ words: "", k: undefined }), true;
      if (latest.current.item) return closeItem(), true;
      if (focus?.id === "q") return focus.blur(), true;
      return false;
    },
    play: (id) => setToggles((all) => ({ ...all, [id]: (all[id] ?? 0) + 1 })),
    like: (id) => hitOf(id) && like(hitOf(id)),
    judge: (id, good) => mayJudge && hitOf(id) && judge(hitOf(id), good),
    step,
  };
  useEffect(() => listen(Object.fromEntries(["openHelp", "close", "play", "like", "judge", "step"].map((name) =>
    [name, (...given) => keys.current[name](...given)]))), []);
  useEffect(() => {
    if (!note) return undefined;
    const timer = setTimeout(() => setNote(""), 6000);
    return () => clearTimeout(timer);
  }, [note]);

  const isFiltered = listFilters(state.filters).length;
  const panel = facets.answer && html`<${Facets} facets=${facets.answer.facets} state=${state} go=${go} spaces=${counted} />`;
  const modeNote = hasQuery(state) && modeOf(state) !== state.mode ? "Without words the search is by meaning." : "";
  const blocked = narrow && state.item;
  return html`
    <div class=${`page ${state.item ? "with-drawer" : ""}`} inert=${Boolean(blocked)}>
      <header class="top">
        <a class="brand" href="/" onClick=${(event) => { event.preventDefault(); go({ ...EMPTY }); focusBox(); }}>
          <img src="/icon.svg" alt="" width="26" height="26" /><span>embed-assets</span></a>
        <${SearchBox} state=${state} go=${go} onFiles=${files.take} uploads=${files.uploads} previews=${files.previews}>
          <${SpaceChoice} state=${state} go=${go} spaces=${spaces} />
          <${Options} state=${state} go=${go} reranker=${overview?.reranker} />
          ${narrow && html`<button type="button" class="button" onClick=${() => setSheet(true)}><${Icon} name="filter" /> Filters
            ${isFiltered > 0 && html`<b class="count">${isFiltered}</b>`}</button>`}
        <//>
        <div class="tools"><${ThemeButton} />
          <button type="button" class="quiet" title="Keys (?)" onClick=${() => setHelp(true)}><${Icon} name="keys" /><span class="vh">Keys</span></button></div>
      </header>
      <${Banner} spaces=${spaces} onCompare=${(each) => go({ spaces: [each.space], compare: each.version, item: "" })} />
      <div class="columns-of-page">
        ${!narrow && html`<nav class="side" aria-label="Filters">${panel}</nav>`}
        <main>
          ${files.problem && html`<p class="problem" role="alert">${files.problem}</p>`}
          ${search.problem && html`<p class="problem" role="alert">${search.problem}</p>`}
          ${comparing ? html`
              <${ActiveFilters} state=${state} go=${go} />
              <${Compare} state=${state} space=${comparing} words=${words} hrefOf=${hrefOf} onOpen=${open} go=${go} epoch=${epoch} />`
            : html`
              ${hasQuery(state) && html`<h1 class="vh">Results</h1><${Summary} answer=${search.answer} total=${facets.answer?.total} isStale=${search.isStale} />
                <${Notes} notes=${(search.answer?.notes ?? []).concat(modeNote || [])} />`}
              <${ActiveFilters} state=${state} go=${go} />
              ${!hasQuery(state) ? overview && html`<${Welcome} facets=${facets.answer?.facets} total=${facets.answer?.total} go=${go}
                    spaces=${spaces} isFiltered=${isFiltered} />`
                : search.answer?.hits.length ? html`<${Results} answer=${search.answer} words=${words} isStale=${search.isStale}
                    open=${state.item} hrefOf=${hrefOf} onOpen=${open} onLike=${like} toggles=${toggles} most=${state.k}
                    onMore=${() => go({ k: state.k + MORE }, { replace: true })} />`
                : search.answer ? html`<${NothingFound} state=${state} go=${go} counts=${facets.answer} />`
                : !search.problem && html`<${Skeleton} />`}`}
        </main>
      </div>
    </div>
    ${state.item && html`<${Drawer} id=${state.item} hit=${hitOf(state.item)} state=${state} words=${words} onLike=${like}
      judged=${(hit) => marks.get(markKey(hit))} onJudge=${mayJudge && judge} onClose=${closeItem} onOpen=${open}
      hrefOf=${hrefOf} onStep=${place >= 0 && hits.length > 1 ? step : null} />`}
    ${sheet && narrow && html`<${Dialog} label="Filters" className="sheet" onClose=${() => setSheet(false)}>
      <form method="dialog"><h2>Filters</h2><button class="primary">Show ${facets.answer?.total ?? ""} items</button></form>${panel}<//>`}
    ${help && html`<${HelpDialog} onClose=${() => setHelp(false)} />`}
    ${locked && html`<${KeyDialog} onUnlocked=${() => { setLocked(false); setEpoch((each) => each + 1); }} />`}
    ${isOver && html`<div class="drop" aria-hidden="true"><p>Drop it to search by it</p></div>`}
    <div class="toast" role="status">${note}</div>`;
}
