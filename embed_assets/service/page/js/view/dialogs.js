// Dialogs: the key that the service asks for, and the keys of the keyboard.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { forgetKey, hasKey, unlock } from "../api.js";
import { IconButton } from "./icons.js";

const KEYS = [
  ["/", "To the search box"], ["Enter", "Search; on a result: open it"], ["↑ ↓ ← →", "Move in the results"],
  ["Space", "Play or stop a sound or video"], ["m", "More like this"], ["g", "Good result"], ["b", "Bad result"],
  ["← →", "In the drawer: the result before, after"], ["Esc", "Close, clear"], ["?", "These keys"],
];

export function Dialog({ label, onClose, children, className = "" }) {
  const root = useRef(null);
  const open = () => root.current?.showModal();
  useEffect(open, []);
  return html`<dialog ref=${root} class=${className} aria-label=${label} onClose=${onClose ?? open}
    onCancel=${(event) => onClose || event.preventDefault()}
    onClick=${(event) => event.target === root.current && onClose && root.current.close()}>${children}</dialog>`;
}

export const HelpDialog = ({ onClose }) => html`
  <${Dialog} label="Keys" onClose=${onClose} className="help">
    <form method="dialog"><h2>Keys</h2><${IconButton} name="close" label="Close" type="submit" /></form>
    <dl>${KEYS.map(([key, what]) => html`<div key=${what}><dt><kbd>${key}</kbd></dt><dd>${what}</dd></div>`)}</dl>
    <p>In the box, <code>-word</code> and <code>-"two words"</code> take a meaning away.
      ${" "}Click a chip for its weight.</p>
    ${hasKey() && html`<p><button type="button" class="button" onClick=${forgetKey}>Forget the API key</button></p>`}
  <//>`;

export function KeyDialog({ onUnlocked }) {
  const [problem, setProblem] = useState("");
  const submit = async (event) => {
    event.preventDefault();
    setProblem("");
    try {
      await unlock(new FormData(event.target).get("key"));
      onUnlocked();
    } catch (error) {
      setProblem(error.status === 401 ? "The service does not know this key." : error.message);
    }
  };
  return html`
    <${Dialog} label="Key" className="key">
      <form onSubmit=${submit}>
        <h2>This service needs a key</h2>
        <label>API key <input name="key" type="password" required autocomplete="off" autofocus /></label>
        ${problem && html`<p class="problem" role="alert">${problem}</p>`}
        <p class="soft">It is kept in this tab until you close it.</p>
        <button class="primary">Continue</button>
      </form>
    <//>`;
}
