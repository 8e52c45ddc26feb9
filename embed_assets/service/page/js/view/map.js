// The map: items of a space on a plane, alike ones near each other. A line drawn around some makes them a filter.
import { html, useEffect, useMemo, useRef, useState } from "../../vendor/preact-htm.js";
import { call } from "../api.js";
import { count } from "../format.js";
import { WHOLE, ahead, isInside, least, pixels, within, zoomed } from "../plane.js";
import { useAnswer } from "../state/use_answer.js";
import { Icon, IconButton } from "./icons.js";
import { Thumbnail } from "./media.js";

const NEAR = 14; // pixels
const REST_MS = 70; // before a point under the pointer is shown: passing over many would load their pictures
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const HINT = "Map of items: arrow keys go from one to the next, Enter opens it, + and - zoom. A drag selects items.";

const colour = (group) =>
  `oklch(${[0.63, 0.74, 0.52][Math.floor(group / 8) % 3]} 0.16 ${(265 + group * 137.5) % 360})`;

export function ItemMap({ state, go, spaces, searched, hits, epoch, onOpen }) {
  const [wanted, setWanted] = useState("");
  const live = spaces.filter((each) => each.live && (!state.spaces.length || state.spaces.includes(each.space)));
  const names = live.map((each) => each.space);
  const space = live.find((each) => each.space === [wanted, ...searched, ...names].find((name) => names.includes(name)));
  const key = space ? `${epoch} ${space.space} ${space.live.release}` : "";
  const { answer, problem } = useAnswer((signal) =>
    call(`/map?space=${encodeURIComponent(space.space)}`, { signal }), key);
  const total = answer?.items ?? 0;
  const shown = answer?.media_ids.length ?? 0;
  return html`
    <section class="map" aria-label="Map">
      <header>
        ${live.length > 1 && html`<select aria-label="Space of the map" value=${space?.space}
          onChange=${(event) => setWanted(event.target.value)}>
          ${names.map((name) => html`<option key=${name}>${name}</option>`)}</select>`}
        <p class="soft">${!answer ? "Placing the items …" : html`
          ${shown < total && `${count(shown)} of `}${count(total)} items by ${answer.method.toUpperCase()},${" "}
          coloured by ${answer.grouped_by}. Drag around some to select them.`}</p>
        <${IconButton} name="close" label="Close the map" onClick=${() => go({ map: false })} />
      </header>
      ${problem && html`<p class="problem" role="alert">${problem}</p>`}
      ${shown > 0 && html`<${Plane} key=${key} map=${answer} picked=${state.picked} hits=${hits} onOpen=${onOpen}
        onPick=${(picked) => go({ picked, item: "", k: undefined })} />`}
    </section>`;
}

function Plane({ map, picked, hits, onOpen, onPick }) {
  const canvas = useRef(null);
  const drag = useRef(null);
  const rest = useRef(0);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [theme, setTheme] = useState(0);
  const [view, setView] = useState(WHOLE);
  const [moves, setMoves] = useState(false);
  const [line, setLine] = useState([]);
  const [hidden, setHidden] = useState(() => new Set());
  const [at, setAt] = useState(-1);
  const points = useMemo(() => pixels(map, size, view), [map, size, view]);
  const isShown = (place) => !hidden.has(map.group_of[place]);
  const ids = hits.map((hit) => hit.media_id).join();
  useEffect(() => watch(canvas.current, setSize, () => setTheme((each) => each + 1)), []);
  useEffect(() => void (size.width && draw(canvas.current, { map, points, size, isShown, picked, hits })),
    [points, hidden, picked, ids, theme]);
  useEffect(() => () => clearTimeout(rest.current), []);

  const place = (event) => ({ x: event.offsetX, y: event.offsetY });
  const near = (event) => least(points, isShown, place(event), within(NEAR));
  const inView = (x, y) => x >= 0 && y >= 0 && x <= size.width && y <= size.height;
  const middle = { x: size.width / 2, y: size.height / 2 };
  const open = (number) => number >= 0 && onOpen({ media_id: map.media_ids[number] });
  const choose = (test) => {
    const chosen = map.media_ids.filter((_, number) => isShown(number) && test(points.x[number], points.y[number]));
    if (chosen.length) onPick(chosen);
  };
  const onPointerDown = (event) => {
    if (event.button !== 0) return;
    canvas.current.setPointerCapture(event.pointerId);
    drag.current = { from: place(event), view, moves: moves || event.shiftKey, line: [place(event)] };
    setAt(-1);
  };
  const onPointerMove = (event) => {
    clearTimeout(rest.current);
    const { current } = drag;
    if (!current) {
      const number = near(event);
      rest.current = setTimeout(() => setAt(number), REST_MS);
    } else if (current.moves) {
      const { x, y } = place(event);
      setView({ ...current.view, x: current.view.x + x - current.from.x, y: current.view.y + y - current.from.y });
    } else {
      current.line.push(place(event));
      setLine([...current.line]);
    }
  };
  const onPointerUp = (event) => {
    const { current } = drag;
    drag.current = null;
    setLine([]);
    if (!current) return;
    const isClick = current.line.every(({ x, y }) => Math.hypot(x - current.from.x, y - current.from.y) < 5);
    if (current.moves) return;
    if (isClick) open(near(event));
    else choose((x, y) => isInside(current.line, x, y));
  };
  const cancel = () => { drag.current = null; setLine([]); };
  const leave = () => { clearTimeout(rest.current); setAt(-1); };
  const zoom = (by, around = middle) => setView((each) => zoomed(each, by, around));
  const onWheel = (event) => {
    if (!event.ctrlKey && !event.metaKey) return; // the wheel alone scrolls the page
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 200), place(event));
  };
  const onKeyDown = (event) => {
    const step = ARROWS[event.key];
    const isNext = (number) => number !== at && isShown(number) && inView(points.x[number], points.y[number]);
    const from = at < 0 ? middle : { x: points.x[at], y: points.y[at] };
    if (step) {
      const next = least(points, isNext, from, at < 0 ? Math.hypot : ahead(step));
      if (next >= 0) setAt(next);
    } else if (event.key === "Enter") open(at);
    else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? 1.5 : 1 / 1.5, from);
    else return;
    event.preventDefault();
  };
  const toggle = (group) => {
    const next = new Set(hidden);
    if (!next.delete(group)) next.add(group);
    setHidden(next);
    setAt(-1);
  };
  return html`
    <div class="plane">
      <canvas ref=${canvas} tabindex="0" role="application" aria-label=${HINT} class=${moves ? "moves" : ""}
        onPointerDown=${onPointerDown} onPointerMove=${onPointerMove} onPointerUp=${onPointerUp}
        onPointerCancel=${cancel} onPointerLeave=${leave} onWheel=${onWheel} onKeyDown=${onKeyDown} onBlur=${leave} />
      ${line.length > 1 && html`<svg class="lasso" aria-hidden="true">
        <polygon points=${line.map(({ x, y }) => `${x},${y}`).join(" ")} /></svg>`}
      ${at >= 0 && html`<${Tip} map=${map} number=${at} x=${points.x[at]} y=${points.y[at]} size=${size} />`}
      <div class="map-tools">
        <button type="button" class="button" aria-pressed=${moves} title="Drag moves the map (or hold Shift)"
          onClick=${() => setMoves(!moves)}>Move</button>
        <${IconButton} name="plus" label="Nearer" onClick=${() => zoom(1.5)} />
        <${IconButton} name="minus" label="Farther" onClick=${() => zoom(1 / 1.5)} />
      </div>
    </div>
    <div class="legend" role="group" aria-label="Groups of the map">
      ${map.groups.map(({ name, items }, group) => html`
        <button type="button" class="plain" key=${name} aria-pressed=${!hidden.has(group)} title="Show or hide"
          onClick=${() => toggle(group)}><span class="dot" style=${{ background: colour(group) }} />
          ${name || "none"} <small>${count(items)}</small></button>`)}
      <button type="button" class="button" onClick=${() => choose(inView)}><${Icon} name="filter" size=${15} />
        Select what is shown</button>
    </div>`;
}

function Tip({ map, number, x, y, size }) {
  const hit = { media_id: map.media_ids[number], modality: map.modalities[number], start: 0 };
  const shift = `translate(${x > size.width / 2 ? "calc(-100% - 14px)" : "14px"}, ${y > size.height / 2 ? "-100%" : "0"})`;
  return html`
    <span class="ring" style=${{ left: `${x}px`, top: `${y}px` }} />
    <div class="tip" role="status" style=${{ left: `${x}px`, top: `${y}px`, transform: shift }}>
      ${["image", "video"].includes(hit.modality) && html`<${Thumbnail} key=${number} hit=${hit} side=${160} />`}
      <b>${map.names[number]}</b> <span class="soft">${map.groups[map.group_of[number]].name}</span>
      ${map.texts[number] && html`<p>${map.texts[number]}</p>`}
    </div>`;
}

// Follows the size of the canvas, and the theme, by which what is drawn has its colours.
function watch(canvas, setSize, onTheme) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const resized = new ResizeObserver(() => setSize({ width: canvas.clientWidth, height: canvas.clientHeight }));
  const themed = new MutationObserver(onTheme);
  resized.observe(canvas);
  themed.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  dark.addEventListener("change", onTheme);
  return () => {
    resized.disconnect();
    themed.disconnect();
    dark.removeEventListener("change", onTheme);
  };
}

// Draws groups one after the other, hits above all of them. Where some are selected or found, the others are faint.
function draw(canvas, { map, points, size, isShown, picked, hits }) {
  const ratio = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [size.width * ratio, size.height * ratio];
  const to = canvas.getContext("2d");
  to.scale(ratio, ratio);
  const [found, chosen] = [new Set(hits.map((hit) => hit.media_id)), new Set(picked)];
  const total = map.media_ids.length;
  const radius = total > 3000 ? 2 : total > 600 ? 3 : 4.5;
  const layers = new Map();
  for (let number = 0; number < total; number += 1) {
    if (!isShown(number)) continue;
    const id = map.media_ids[number];
    const level = found.has(id) ? 2 : (chosen.size ? chosen.has(id) : !found.size) ? 1 : 0;
    const key = level * 1e6 + map.group_of[number];
    if (!layers.has(key)) layers.set(key, []);
    layers.get(key).push(number);
  }
  [to.strokeStyle, to.lineWidth] = [getComputedStyle(canvas).color, 0.8];
  for (const key of [...layers.keys()].sort((one, other) => one - other)) {
    const [level, group] = [Math.floor(key / 1e6), key % 1e6];
    to.globalAlpha = [0.22, 0.85, 1][level];
    to.fillStyle = colour(group);
    to.beginPath();
    for (const number of layers.get(key)) {
      to.moveTo(points.x[number] + radius, points.y[number]);
      to.arc(points.x[number], points.y[number], level === 2 ? radius + 1.5 : radius, 0, 7);
    }
    to.fill();
    if (level === 2) to.stroke();
  }
}
