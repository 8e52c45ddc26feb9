// A line about the index where it is stale, a check failed, or a candidate waits.
import { html, useState } from "../../vendor/preact-htm.js";
import { count } from "../format.js";
import { Icon } from "./icons.js";

export function reports(spaces) {
  return spaces.flatMap((each) => [
    ...(each.stale ? [{ id: `${each.space} stale`, space: each.space, text: `${count(each.stale)} items wait for a run` }] : []),
    ...(each.live?.checks ?? []).filter((check) => !check.passed).map((check) => ({
      id: `${each.space} ${check.name}`, space: each.space, text: `check ${check.name} failed`, bad: true })),
    ...(each.candidates ?? []).map((candidate) => ({
      id: `${each.space} ${candidate.version}`, space: each.space, version: candidate.version,
      text: `candidate ${candidate.version} (${candidate.model}) waits${candidate.waits_for ? ` for ${candidate.waits_for}` : ""}` })),
  ]);
}

export function Banner({ spaces, onCompare }) {
  const [hidden, setHidden] = useState(() => new Set(JSON.parse(sessionStorage.getItem("embed-assets-hidden") ?? "[]")));
  const shown = reports(spaces).filter((each) => !hidden.has(each.id));
  if (!shown.length) return null;
  const hide = () => {
    const next = new Set([...hidden, ...shown.map((each) => each.id)]);
    sessionStorage.setItem("embed-assets-hidden", JSON.stringify([...next]));
    setHidden(next);
  };
  return html`
    <section class="banner" aria-label="State of the index">
      <${Icon} name="warn" />
      <ul>${shown.map((each) => html`<li key=${each.id} class=${each.bad ? "bad" : ""}><b>${each.space}</b> ${each.text}
        ${each.version && html` <button type="button" class="plain" onClick=${() => onCompare(each)}>Compare</button>`}</li>`)}</ul>
      <button type="button" class="quiet" title="Hide until the next visit" onClick=${hide}><${Icon} name="close" />
        <span class="vh">Hide</span></button>
    </section>`;
}
