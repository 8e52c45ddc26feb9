// The search box: words, and the other parts of the query as chips; how is searched, and in which space.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { readWords } from "../query.js";
import { Chip } from "./chip.js";
import { Icon, IconButton } from "./icons.js";

const MODES = [
  ["vector", "Meaning", "Nearest by what the encoder understands"],
  ["hybrid", "Both", "By meaning and by words, fused by rank"],
  ["text", "Words", "Full text: items that have the words"],
];
const TYPING_MS = 350;

export function SearchBox({ state, go, onFiles, uploads, previews, children }) {
  const [text, setText] = useState(state.words);
  const input = useRef(null);
  const chooser = useRef(null);
  const timer = useRef(0);
  useEffect(() => setText(state.words), [state.words]);

  const search = (typed, options = {}) => {
    clearTimeout(timer.current);
    const { words, minus } = readWords(typed);
    const parts = [...state.parts, ...minus.map((value) => ({ kind: "words", weight: -1, value, label: value }))];
    setText(words);
    go({ words, parts, item: "", k: undefined }, options);
  };
  const type = (typed) => {
    setText(typed);
    clearTimeout(timer.current);
    if (!readWords(typed).minus.length && !/(^|\s)-\S*$/.test(typed)) {
      timer.current = setTimeout(() => go({ words: typed.trim(), item: "", k: undefined }, { live: true }), TYPING_MS);
    }
  };
  const onKeyDown = (event) => {
    if (event.key === "Backspace" && !text && state.parts.length) {
      event.preventDefault();
      document.querySelector(".box .chip:last-of-type .chip-remove")?.focus();
    }
  };
  const minusText = () => {
    if (!text.trim()) return input.current.focus();
    const value = text.trim();
    setText("");
    go({ words: "", parts: [...state.parts, { kind: "words", weight: -1, value, label: value }] });
    input.current.focus();
  };
  const change = (place, part) =>
    go({ parts: part ? state.parts.with(place, part) : state.parts.toSpliced(place, 1), k: undefined });

  return html`
    <form class="search" role="search" onSubmit=${(event) => { event.preventDefault(); search(text); }}>
      <div class="box" onClick=${(event) => event.target === event.currentTarget && input.current.focus()}>
        ${state.parts.map((part, place) => html`
          <${Chip} key=${part.kind + part.value} part=${part} preview=${previews.get(part.value)}
            onChange=${(changed) => change(place, changed)}
            onRemove=${() => { change(place, null); input.current.focus(); }} />`)}
        ${uploads.map((each) => html`
          <span class="chip busy" key=${each.name}>${each.name}
            <progress value=${each.done} max="1" aria-label=${`Sending ${each.name}`} /></span>`)}
        <input id="q" ref=${input} type="text" value=${text} autocomplete="off" spellcheck="false" enterkeyhint="search"
          aria-label="Search by words" placeholder=${state.parts.length ? "add words" : "Describe what you look for"}
          onInput=${(event) => type(event.target.value)} onKeyDown=${onKeyDown} />
        <kbd class="hint" aria-hidden="true">/</kbd>
        <${IconButton} name="minus" label="Minus: take these words away" onClick=${minusText} />
        <${IconButton} name="file" label="Choose a file" title="Search by a picture, sound or video"
          onClick=${() => chooser.current.click()} />
        <input ref=${chooser} type="file" hidden multiple tabindex="-1" aria-label="File to search by"
          onChange=${(event) => { onFiles([...event.target.files]); event.target.value = ""; }} />
        <button type="submit" class="primary" aria-label="Search">
          <${Icon} name="search" size=${17} /><span>Search</span></button>
      </div>
      <div class="how">
        <fieldset class="segments">
          <legend class="vh">Search by</legend>
          ${MODES.map(([value, label, title]) => html`
            <label title=${title} key=${value}><input type="radio" name="mode" value=${value}
              checked=${state.mode === value} onChange=${() => go({ mode: value })} /><span>${label}</span></label>`)}
        </fieldset>
        ${children}
      </div>
    </form>`;
}
