// The middle of the page: a comparison, results, or what is shown where there are none.
import { html, useEffect, useState } from "../../vendor/preact-htm.js";
import { countFilters, hasQuery, modeOf } from "../query.js";
import { Compare } from "./compare.js";
import { NothingFound, Welcome } from "./empty.js";
import { ActiveFilters, Notes, Results, Skeleton, Summary } from "./results.js";

const MORE = 60;

export function Content({ state, go, service, search, facets, comparing, words, hrefOf, onOpen, onLike, toggles }) {
  const { answer, isStale, problem } = search;
  const filters = html`<${ActiveFilters} state=${state} go=${go} />`;
  const ItemMap = useMap(state.map);
  const map = ItemMap && service.overview && html`
    <${ItemMap} state=${state} go=${go} spaces=${service.spaces} epoch=${service.epoch} onOpen=${onOpen}
      hits=${hasQuery(state) ? (answer?.hits ?? []) : []} searched=${answer?.spaces.map((each) => each.space) ?? []} />`;
  if (comparing) {
    return html`${map}${filters}<${Compare} state=${state} space=${comparing} words=${words} hrefOf=${hrefOf} onOpen=${onOpen}
      go=${go} epoch=${service.epoch} />`;
  }
  if (!hasQuery(state)) {
    return html`${map}${filters}${service.overview && html`
      <${Welcome} facets=${facets?.facets} total=${facets?.total} go=${go} spaces=${service.spaces}
        isFiltered=${countFilters(state) > 0} />`}`;
  }
  const modeNote = modeOf(state) === state.mode ? [] : ["Without words the search is by meaning."];
  const more = () => go({ k: Math.min(service.most, state.k + MORE) }, { replace: true });
  return html`
    <h1 class="vh">Results</h1>
    ${map}
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

// The map, whose script is loaded once it is opened; null before, and where it is closed.
function useMap(wanted) {
  const [loaded, setLoaded] = useState(null);
  useEffect(() => {
    if (wanted && !loaded) import("./map.js").then((module) => setLoaded(module));
  }, [wanted]);
  return wanted ? loaded?.ItemMap : null;
}
