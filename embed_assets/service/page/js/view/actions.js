// What can be done with an item: more like it, a mark, the query copied.
import { html, useState } from "../../vendor/preact-htm.js";
import { asCurl, asPython, copy } from "../copy.js";
import { hasQuery } from "../query.js";
import { Icon } from "./icons.js";

const SHOWN_MS = 1500;

export function Actions({ hit, state, judged, onJudge, onLike }) {
  const [copied, setCopied] = useState("");
  const take = async (label, text) => {
    await copy(text);
    setCopied(label);
    setTimeout(() => setCopied(""), SHOWN_MS);
  };
  const mark = judged(hit);
  const copies = [["Copy link", "link", () => location.href]];
  if (hasQuery(state)) copies.push(["Copy as curl", "copy", asCurl], ["Copy as Python", "copy", asPython]);
  const button = (label, icon, onClick, pressed) => html`
    <button type="button" class="button" key=${label} aria-pressed=${pressed} onClick=${onClick}>
      <${Icon} name=${icon} size=${16} /> ${copied === label ? "Copied" : label}</button>`;
  return html`
    <div class="actions">
      ${button("More like this", "like", () => onLike(hit))}
      ${onJudge && button("Good", "good", () => onJudge(hit, true), mark === true)}
      ${onJudge && button("Bad", "bad", () => onJudge(hit, false), mark === false)}
      ${copies.map(([label, icon, text]) => button(label, icon, () => take(label, text(state))))}
      <span class="vh" role="status">${copied && "Copied"}</span>
    </div>`;
}
