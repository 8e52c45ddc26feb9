// Icons: paths of 24 × 24, drawn in the colour of the text beside them.
import { html } from "../../vendor/preact-htm.js";

const PATHS = {
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14Zm5.2 12.2L21 21",
  close: "M6 6l12 12M18 6 6 18",
  file: "M21 11.5l-8.6 8.6a5.5 5.5 0 0 1-7.8-7.8l9-9a3.7 3.7 0 0 1 5.2 5.2l-8.9 8.9a1.8 1.8 0 0 1-2.6-2.6l8-8",
  like: "M4 8V4h4M20 8V4h-4M4 16v4h4M20 16v4h-4M12 8.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z",
  play: "M7 4.5v15l12-7.5-12-7.5Z",
  pause: "M8 5v14M16 5v14",
  good: "M7 11v9H4v-9h3Zm0 0 4-8a2.2 2.2 0 0 1 2.2 2.2V9h5.3a2 2 0 0 1 2 2.3l-1.2 7a2 2 0 0 1-2 1.7H7",
  bad: "M17 13V4h3v9h-3Zm0 0-4 8a2.2 2.2 0 0 1-2.2-2.2V15H5.5a2 2 0 0 1-2-2.3l1.2-7a2 2 0 0 1 2-1.7H17",
  link: "M10 14a4.5 4.5 0 0 0 6.4 0l3-3A4.5 4.5 0 0 0 13 4.6l-1 1M14 10a4.5 4.5 0 0 0-6.4 0l-3 3A4.5 4.5 0 0 0 11 19.4l1-1",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  filter: "M4 6h16M7 12h10M10 18h4",
  theme: "M12 3a9 9 0 1 0 0 18V3Z M12 3a9 9 0 0 1 0 18",
  keys: "M3 6h18v12H3zM7 10h.01M11 10h.01M15 10h.01M8 14h8",
  compare: "M12 3v18M4 7h5v10H4zM15 7h5v10h-5z",
  options: "M4 7h9M17 7h3M4 17h3M11 17h9M15 5v4M9 15v4",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
  audio: "M4 10v4M8 7v10M12 4v16M16 8v8M20 10v4",
  video: "M3 6h13v12H3zM16 10l5-3v10l-5-3",
  text: "M5 5h14M5 10h14M5 15h9",
  warn: "M12 4 2.5 20h19L12 4Zm0 6v4M12 17h.01",
  minus: "M5 12h14",
  plus: "M5 12h14M12 5v14",
  map: "M4 4v16h16M9 15h.01M10 10h.01M14 13h.01M17 15h.01M16 7h.01",
  before: "m14 6-6 6 6 6",
  after: "m10 6 6 6-6 6",
};

// A button with an icon alone; its label is for those who can't see it.
export const IconButton = ({ name, label, title = label, size, ...rest }) => html`
  <button type="button" class="quiet" title=${title} ...${rest}>
    <${Icon} name=${name} size=${size} /><span class="vh">${label}</span></button>`;

export const Icon = ({ name, size = 18 }) => html`
  <svg class="icon" width=${size} height=${size} viewBox="0 0 24 24" aria-hidden="true">
    <path d=${PATHS[name] ?? PATHS.file} />
  </svg>`;
