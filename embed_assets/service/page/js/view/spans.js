// The spans of an item: those that match best, or all of the live version. Those of sounds and videos play.
import { html, useState } from "../../vendor/preact-htm.js";
import { count, isTimed, spanText } from "../format.js";
import { Icon } from "./icons.js";
import { Passage } from "./media.js";

const LISTED = 30; // of an item that no search found

export function Spans({ hit, item, words, chosen, onChoose }) {
  const [all, setAll] = useState(false);
  const version = item?.versions.find((each) => each.space === hit.space && each.state === "live");
  const listed = version?.spans.filter((each) => each.start != null) ?? [];
  const best = hit.spans.filter((each) => each.start != null);
  const shown = all ? listed : best.length ? best : listed.slice(0, LISTED);
  if (!shown.length) return null;
  const Row = isTimed(hit.modality) ? TimedSpan : TextSpan;
  return html`
    <section><h3>${all || !best.length ? "All spans" : "Best spans"}</h3>
      <ol class=${`spans ${isTimed(hit.modality) ? "timed" : ""}`}>
        ${shown.map((each) => html`
          <li key=${each.start} class=${each.start === chosen.start ? "chosen" : ""}>
            <${Row} span=${each} modality=${hit.modality} words=${words} whole=${all} onChoose=${onChoose} /></li>`)}
      </ol>
      ${(listed.length > shown.length || all) && html`
        <button type="button" class="plain" onClick=${() => setAll(!all)}>
          ${all ? "Show fewer" : `Show all ${count(version.segments)}`}</button>`}
    </section>`;
}

const TimedSpan = ({ span, modality, onChoose }) => html`
  <button type="button" onClick=${() => onChoose(span)}>
    <${Icon} name="play" size=${13} /> ${spanText(modality, span.start, span.end)}
    ${span.score != null && html` <small>${span.score.toFixed(2)}</small>`}</button>`;

const TextSpan = ({ span, modality, words, whole }) => html`
  <small>${spanText(modality, span.start, span.end)}${span.score != null && ` · ${span.score.toFixed(2)}`}</small>
  <${Passage} text=${span.text} words=${words} most=${whole ? Infinity : 300} />`;
