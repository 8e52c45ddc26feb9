// The page's state in a component: it follows the address, and changes it.
import { useCallback, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { EMPTY, readAddress, writeAddress } from "./address.js";

export function useAddress() {
  const [state, setState] = useState(() => readAddress(location.search));
  const latest = useRef(state);
  latest.current = state;
  useEffect(() => {
    const back = () => setState(({ picked }) => ({ ...readAddress(location.search), picked }));
    addEventListener("popstate", back);
    return () => removeEventListener("popstate", back);
  }, []);
  // `live`: words that are still being typed make one entry of the history. `opened`: entries since the drawer opened.
  const go = useCallback((changes, { replace = false, live = false, opened = 0 } = {}) => {
    const next = { ...latest.current, ...(changes instanceof Function ? changes(latest.current) : changes) };
    if (next.k === undefined) next.k = EMPTY.k;
    latest.current = next;
    const address = writeAddress(next);
    const isSame = address === (location.search || location.pathname);
    if (replace) history.replaceState(history.state, "", address);
    else if (isSame || (live && history.state?.live)) history.replaceState({ ...history.state, live }, "", address);
    else history.pushState({ opened, live }, "", address);
    setState(next);
  }, []);
  return [state, go];
}
