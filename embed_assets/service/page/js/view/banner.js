// A line about the index where it is stale, a check failed, or a candidate waits.
import { html, useState } from "../../vendor/preact-htm.js";
import { count } from "../format.js";
import { Icon, IconButton } from "./icons.js";

const HIDDEN = "embed-assets-hidden";

export function reports(spaces) {
  return spaces.flatMap((each) => [
    ...(each.stale ? [report(each, "stale", `${count(each.stale)} items wait for a run`)] : []),
    ...(each.live?.checks ?? [])
      .filter((check) => !check.passed)
      .map((check) => report(each, check.name, `check ${check.name} failed`, { bad: true })),
    ...(each.candidates ?? []).map(({ version, model, waits_for: reason }) =>
      report(each, version, `candidate ${version} (${model}) waits${reason ? ` for ${reason}` : ""}`, { version })),
  ]);
}

const report = ({ space }, what, text, more = {}) => ({ id: `${space} ${what}`, space, text, ...more });

export function Banner({ spaces, onCompare }) {
  const [hidden, setHidden] = useState(() => new Set(JSON.parse(sessionStorage.getItem(HIDDEN) ?? "[]")));
  const shown = reports(spaces).filter((each) => !hidden.has(each.id));
  if (!shown.length) return null;
  const hide = () => {
    const next = new Set([...hidden, ...shown.map((each) => each.id)]);
    sessionStorage.setItem(HIDDEN, JSON.stringify([...next]));
    setHidden(next);
  };
  return html`
    <section class="banner" aria-label="State of the index">
      <${Icon} name="warn" />
      <ul>${shown.map((each) => html`<li key=${each.id} class=${each.bad ? "bad" : ""}><b>${each.space}</b> ${each.text}
        ${" "}${each.version && html`
          <button type="button" class="plain" onClick=${() => onCompare(each)}>Compare</button>`}</li>`)}</ul>
      <${IconButton} name="close" label="Hide" title="Hide until the next visit" onClick=${hide} />
    </section>`;
}
