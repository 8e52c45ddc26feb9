// Media of a hit: a picture, a sound or video that plays its span, a passage with the words marked.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { mediaUrl, thumbnailUrl } from "../api.js";
import { isTimed } from "../format.js";
import { pieces } from "../marks.js";
import { peaks } from "../peaks.js";
import { play, stop } from "../players.js";
import { Icon } from "./icons.js";

export function Thumbnail({ hit, side = 256, alt = "" }) {
  const [failed, setFailed] = useState(false);
  const at = hit.modality === "video" ? hit.start ?? 0 : 0;
  useEffect(() => setFailed(false), [hit.media_id, at]);
  if (failed || (hit.modality !== "image" && hit.modality !== "video")) {
    return html`<span class="no-picture"><${Icon} name=${hit.modality} size=${28} /></span>`;
  }
  const [one, two] = [side, Math.min(1024, side * 2)].map((each) => thumbnailUrl(hit.media_id, each, at));
  return html`<img src=${one} srcset=${`${one} 1x, ${two} 2x`} alt=${alt} loading="lazy" decoding="async"
    draggable="false" onError=${() => setFailed(true)} />`;
}

// A sound or video: a picture until it plays; `toggled` counts up where the keyboard or a span asks for it. In a card
// the space bar plays it, and its button is out of the way of the tab key.
export function Player({ hit, start = hit.start, end = hit.end, side = 256, toggled = 0, inCard = false }) {
  const [on, setOn] = useState(false);
  const [broken, setBroken] = useState(false);
  const element = useRef(null);
  const isVideo = hit.modality === "video";
  useEffect(() => {
    if (!on) return undefined;
    const playing = element.current;
    play(playing, { start, end, onEnd: () => setOn(false) });
    return () => playing === element.current && stop();
  }, [on, start, end]);
  useEffect(() => {
    if (toggled) setOn((was) => !was);
  }, [toggled]);
  const fail = () => { setBroken(true); setOn(false); };
  const source = mediaUrl(hit.media_id, start, end);
  const label = `${on ? "Stop" : "Play"} ${hit.key}`;
  return html`
    <div class=${`player ${on ? "playing" : ""}`}>
      ${isVideo && on ? html`<video ref=${element} src=${source} playsinline preload="auto" onError=${fail} />`
        : isVideo ? html`<${Thumbnail} hit=${{ ...hit, start }} side=${side} />`
        : html`<${Waveform} hit=${hit} start=${start} end=${end} player=${on ? element : null} />
          ${on && html`<audio ref=${element} src=${source} preload="auto" onError=${fail} />`}`}
      ${broken ? html`<span class="sorry">This browser can't play it.</span>`
        : html`<button type="button" class="play" tabindex=${inCard ? -1 : 0} onClick=${() => setOn(!on)}>
            <${Icon} name=${on ? "pause" : "play"} size=${20} /><span class="vh">${label}</span></button>`}
    </div>`;
}

export function Waveform({ hit, start, end, player }) {
  const [sound, setSound] = useState(null);
  const [place, setPlace] = useState(null);
  const root = useRef(null);
  useEffect(() => {
    const seen = new IntersectionObserver(([entry]) => {
      if (!entry.isIntersecting) return;
      seen.disconnect();
      peaks(hit.media_id, mediaUrl(hit.media_id)).then(setSound);
    });
    seen.observe(root.current);
    return () => seen.disconnect();
  }, [hit.media_id]);
  useEffect(() => {
    if (!player || !sound) return setPlace(null);
    let frame = 0;
    const draw = () => {
      if (player.current) setPlace(player.current.currentTime / sound.seconds);
      frame = requestAnimationFrame(draw);
    };
    draw();
    return () => cancelAnimationFrame(frame);
  }, [player, sound]);
  const bars = sound?.bars ?? [];
  const within = (bar) => {
    const at = ((bar + 0.5) / bars.length) * (sound?.seconds ?? 0) * 1000;
    return start == null || (at >= start && at <= (end ?? Infinity));
  };
  const path = (inside) => bars.map((height, bar) => (within(bar) === inside
    ? `M${bar * 2 + 1} ${30 - 27 * height}V${30 + 27 * Math.max(height, 0.02)}` : "")).join("");
  return html`
    <svg ref=${root} class="wave" viewBox="0 0 192 60" preserveAspectRatio="none" aria-hidden="true">
      <path class="outside" d=${path(false)} /><path class="inside" d=${path(true)} />
      ${place != null && html`<path class="now" d=${`M${place * 192} 0V60`} />`}
    </svg>`;
}

export const Passage = ({ text, words, most }) => html`
  <p class="passage">${pieces(text ?? "", words, most).map((piece) => (piece.marked
    ? html`<mark>${piece.text}</mark>` : piece.text))}</p>`;

export function Preview({ hit, words, toggled }) {
  if (isTimed(hit.modality)) return html`<${Player} hit=${hit} toggled=${toggled} inCard=${true} />`;
  if (hit.modality === "image") return html`<${Thumbnail} hit=${hit} />`;
  return html`<${Passage} text=${hit.text} words=${words} most=${420} />`;
}
