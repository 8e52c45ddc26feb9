// The service as the page finds it: its spaces and limits, looked at again each minute, and whether it asks for a key.
import { useEffect, useState } from "../../vendor/preact-htm.js";
import { beginSession, call, whenLocked } from "../api.js";

const LOOK_AGAIN_MS = 60_000;

// `epoch` counts up where a key was given: what was requested before is requested again.
export function useService(onProblem) {
  const [overview, setOverview] = useState(null);
  const [locked, setLocked] = useState(false);
  const [ready, setReady] = useState(false);
  const [epoch, setEpoch] = useState(0);
  useEffect(() => {
    whenLocked(() => setLocked(true));
    beginSession()
      .catch(() => {})
      .finally(() => setReady(true));
  }, []);
  useEffect(() => {
    if (!ready) return undefined;
    const look = () => call("/spaces").then(setOverview, (error) => error.status !== 401 && onProblem(error.message));
    look();
    const timer = setInterval(() => document.visibilityState === "visible" && look(), LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [ready, epoch]);
  const unlocked = () => {
    setLocked(false);
    setEpoch((each) => each + 1);
  };
  return { overview, spaces: overview?.spaces ?? [], most: overview?.limits.k ?? 1000, locked, unlocked, ready, epoch };
}
