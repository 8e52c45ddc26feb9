// A chip: one part of the query, with its weight.
import { html, useEffect, useRef, useState } from "../../vendor/preact-htm.js";
import { thumbnailUrl } from "../api.js";
import { Icon } from "./icons.js";

// A picture of the part: of a stored item from the service, of a file from this browser, for as long as it has it.
const pictureOf = (part, preview) => {
  if (part.kind === "item") return ["image", "video"].includes(part.type) ? thumbnailUrl(part.value, 64) : null;
  return part.type === "image" ? preview : null;
};

export function Chip({ part, preview, onChange, onRemove }) {
  const [open, setOpen] = useState(false);
  const root = useRef(null);
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event) => !root.current?.contains(event.target) && setOpen(false);
    document.addEventListener("pointerdown", outside);
    return () => document.removeEventListener("pointerdown", outside);
  }, [open]);
  const name = { words: part.label, file: part.label, item: `like ${part.label.split("/").pop()}` }[part.kind];
  const picture = pictureOf(part, preview);
  const sign = part.weight < 0 ? "minus " : "";
  const set = (weight) => onChange({ ...part, weight: weight || (part.weight > 0 ? -0.25 : 0.25) });
  const onKeyDown = (event) => {
    if (event.key === "Escape" && open) {
      event.stopPropagation();
      setOpen(false);
      root.current.querySelector(".chip-body").focus();
    }
  };
  return html`
    <span ref=${root} class=${`chip ${part.weight < 0 ? "minus" : ""}`} onKeyDown=${onKeyDown}>
      <button type="button" class="chip-body" aria-expanded=${open}
        title=${`${sign}${part.label}: weight ${part.weight}`} onClick=${() => setOpen(!open)}>
        ${part.weight < 0 && html`<b aria-hidden="true">−</b>`}
        ${picture ? html`<img src=${picture} alt="" draggable="false" />`
          : part.kind !== "words" && html`<${Icon} name=${part.type || "file"} size=${15} />`}
        <span class="vh">${sign}</span><span class="chip-name">${name}</span>
        ${Math.abs(part.weight) !== 1 && html`<small>× ${Math.abs(part.weight)}</small>`}
      </button>
      <button type="button" class="chip-remove" onClick=${onRemove}>
        <${Icon} name="close" size=${14} /><span class="vh">Remove ${sign}${part.label}</span></button>
      ${open && html`
        <span class="popover weight">
          <label><span>Weight <output>${part.weight}</output></span>
            <input type="range" min="-2" max="2" step="0.25" value=${part.weight}
              onChange=${(event) => set(Number(event.target.value))} /></label>
          <small>Below zero: away from this.</small>
          <button type="button" onClick=${() => set(-part.weight)}>
            ${part.weight < 0 ? "Add instead" : "Take away instead"}</button>
        </span>`}
    </span>`;
}
