// Whether the screen is narrow, as the style sheets have it.
import { useEffect, useState } from "../../vendor/preact-htm.js";

const NARROW = matchMedia("(max-width: 820px)");

export function useNarrow() {
  const [narrow, setNarrow] = useState(NARROW.matches);
  useEffect(() => {
    const change = () => setNarrow(NARROW.matches);
    NARROW.addEventListener("change", change);
    return () => NARROW.removeEventListener("change", change);
  }, []);
  return narrow;
}
