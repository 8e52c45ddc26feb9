// Further options: the space, how near, how varied, the theme, the keys.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { Icon, IconButton } from "./icons.js";

const THEMES = ["auto", "light", "dark"];

export function SpaceChoice({ state, go, spaces }) {
  const live = spaces.filter((each) => each.live);
  if (live.length < 2) return null;
  const choose = (space) => go({ spaces: space ? [space] : [], compare: "", k: undefined });
  const chosen = state.spaces.length > 1 ? "+" : state.spaces[0] ?? "";
  return html`
    <label class="choice"><span class="vh">Space</span>
      <select value=${chosen} title="Where to search"
        onChange=${(event) => choose(event.target.value)}>
        <option value="">All spaces</option>
        ${chosen === "+" && html`<option value="+" disabled>${state.spaces.join(", ")}</option>`}
        ${live.map((each) => html`<option key=${each.space} value=${each.space}>${each.space}</option>`)}
      </select></label>`;
}

export function Options({ state, go, reranker }) {
  const root = useRef(null);
  useEffect(() => {
    const outside = (event) => root.current && !root.current.contains(event.target) && (root.current.open = false);
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, []);
  const changed = [state.percentile !== null, state.fold, state.diversity > 0, state.rerank].filter(Boolean).length;
  const close = (event) => {
    if (event.key !== "Escape" || !root.current.open) return;
    event.stopPropagation();
    root.current.open = false;
    root.current.querySelector("summary").focus();
  };
  return html`
    <details class="options" ref=${root} onKeyDown=${close}>
      <summary class="button"><${Icon} name="options" /> Options
        ${changed > 0 && html`<b class="count">${changed}</b>`}</summary>
      <div class="popover">
        <label><span>Nearer than <output>${state.percentile ?? 0} %</output> of random pairs</span>
          <input type="range" min="0" max="100" step="0.5" value=${state.percentile ?? 0}
            onChange=${(event) => go({ percentile: Number(event.target.value) || null })} /></label>
        <label><span>Variety <output>${Math.round(state.diversity * 100)} %</output></span>
          <input type="range" min="0" max="1" step="0.1" value=${state.diversity}
            onChange=${(event) => go({ diversity: Number(event.target.value) })} /></label>
        <label class="check"><input type="checkbox" checked=${state.fold}
          onChange=${(event) => go({ fold: event.target.checked })} /> Show near duplicates as one</label>
        ${reranker && html`<label class="check"><input type="checkbox" checked=${state.rerank}
          onChange=${(event) => go({ rerank: event.target.checked })} /> Order again with ${reranker}</label>`}
      </div>
    </details>`;
}

export const MapButton = ({ state, go }) => html`
  <button type="button" class="button" aria-pressed=${state.map} onClick=${() => go({ map: !state.map })}>
    <${Icon} name="map" /> Map</button>`;

export function ThemeButton() {
  const [theme, setTheme] = useState(() => localStorage.getItem("embed-assets-theme") ?? "auto");
  useEffect(() => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    localStorage.setItem("embed-assets-theme", theme);
  }, [theme]);
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  return html`<${IconButton} name="theme" label=${`Theme: ${theme}`} title=${`Theme: ${theme}. Next: ${next}`}
    onClick=${() => setTheme(next)} />`;
}
