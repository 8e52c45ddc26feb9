// Good and bad marks on results of the query at hand.
import { useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";

// A judgement is of one query: words alone, or one file alone.
function judgedQuery(state) {
  if (state.words.trim() && !state.parts.length) return { text: state.words.trim() };
  const [part, ...others] = state.parts;
  const isOneFile = !state.words.trim() && part?.kind === "file" && part.weight > 0 && !others.length;
  return isOneFile ? { upload: part.value } : null;
}

export function useJudgements(state, allowed, onNote) {
  const [marks, setMarks] = useState(new Map());
  const query = judgedQuery(state);
  const name = (hit) => `${JSON.stringify(query)} ${hit.space} ${hit.media_id}`;
  const judge = async (hit, good) => {
    try {
      await call("/judgements", { body: { space: hit.space, ...query, item: hit.media_id, good } });
      setMarks((all) => new Map(all).set(name(hit), good));
      onNote(`Marked as ${good ? "good" : "bad"}: ${hit.key}`);
    } catch (error) {
      onNote(error.message);
    }
  };
  return { judge: allowed && query ? judge : null, judged: (hit) => marks.get(name(hit)) };
}
