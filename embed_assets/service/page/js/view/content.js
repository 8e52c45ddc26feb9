// The middle of the page: a comparison, results, or what is shown where there are none.
import { html } from "../../vendor/preact-htm.js";
import { hasQuery, listFilters, modeOf } from "../query.js";
import { Compare } from "./compare.js";
import { NothingFound, Welcome } from "./empty.js";
import { ActiveFilters, Notes, Results, Skeleton, Summary } from "./results.js";

const MORE = 60;

export function Content({ state, go, service, search, facets, comparing, words, hrefOf, onOpen, onLike, toggles }) {
  const { answer, isStale, problem } = search;
  const filters = html`<${ActiveFilters} state=${state} go=${go} />`;
  if (comparing) {
    return html`${filters}<${Compare} state=${state} space=${comparing} words=${words} hrefOf=${hrefOf} onOpen=${onOpen}
      go=${go} epoch=${service.epoch} />`;
  }
  if (!hasQuery(state)) {
    return html`${filters}${service.overview && html`
      <${Welcome} facets=${facets?.facets} total=${facets?.total} go=${go} spaces=${service.spaces}
        isFiltered=${listFilters(state.filters).length > 0} />`}`;
  }
  const modeNote = modeOf(state) === state.mode ? [] : ["Without words the search is by meaning."];
  const more = () => go({ k: Math.min(service.most, state.k + MORE) }, { replace: true });
  return html`
    <h1 class="vh">Results</h1>
    <${Summary} answer=${answer} total=${facets?.total} isStale=${isStale} />
    <${Notes} notes=${[...(answer?.notes ?? []), ...modeNote]} />
    ${filters}
    ${answer?.hits.length > 0 && html`
      <${Results} answer=${answer} words=${words} isStale=${isStale} open=${state.item} hrefOf=${hrefOf}
        onOpen=${onOpen} onLike=${onLike} toggles=${toggles} wanted=${state.k}
        onMore=${state.k < service.most && more} />`}
    ${answer?.hits.length === 0 && html`<${NothingFound} state=${state} go=${go} counts=${facets} />`}
    ${!answer && !problem && html`<${Skeleton} />`}`;
}
