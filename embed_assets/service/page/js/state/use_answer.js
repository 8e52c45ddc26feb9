// What the service answers, in a component.
import { useEffect, useState } from "../../vendor/preact-htm.js";

// The answer to the newest request; the one before stays until then, and is aborted where it is under way.
export function useAnswer(load, key) {
  const [found, setFound] = useState({ answer: null, problem: "", key: "" });
  useEffect(() => {
    if (!key) return setFound({ answer: null, problem: "", key });
    const abort = new AbortController();
    load(abort.signal).then(
      (answer) => setFound({ answer, problem: "", key }),
      (error) =>
        error.name !== "AbortError" &&
        setFound({ answer: null, problem: error.status === 401 ? "" : error.message, key }),
    );
    return () => abort.abort();
  }, [key]);
  return { ...found, isStale: found.key !== key };
}
