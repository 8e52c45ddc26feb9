// Values as a person reads them.

export const count = (number) => number.toLocaleString("en");

export function clock(milliseconds) {
  const whole = Math.max(0, Math.round(milliseconds / 100) / 10);
  const [minutes, seconds] = [Math.floor(whole / 60), whole % 60];
  const tenths = Number.isInteger(seconds) ? String(seconds) : seconds.toFixed(1);
  return `${minutes}:${seconds < 10 ? "0" : ""}${tenths}`;
}

export const isTimed = (modality) => modality === "audio" || modality === "video";

export function spanText(modality, start, end) {
  if (start == null) return "";
  if (isTimed(modality)) return end == null || end === start ? clock(start) : `${clock(start)}–${clock(end)}`;
  return end == null ? `from ${count(start)}` : `characters ${count(start)}–${count(end)}`;
}

export const percent = (value) =>
  value >= 99.995 ? "> 99.99 %" : `${value >= 99 ? (Math.floor(value * 100) / 100).toFixed(2) : Math.floor(value)} %`;

// Values with their numbers, most frequent first: an object puts names that are whole numbers before all others.
export const byCount = (values) => Object.entries(values).sort((one, other) => other[1] - one[1]);

export function bytes(size) {
  const units = ["B", "kB", "MB", "GB"];
  let place = 0;
  while (size >= 1000 && place < units.length - 1) [size, place] = [size / 1000, place + 1];
  return `${size >= 10 || place === 0 ? Math.round(size) : size.toFixed(1)} ${units[place]}`;
}

export const milliseconds = (seconds) => `${Math.max(1, Math.round(seconds * 1000))} ms`;

export function nameOf(key) {
  const [file, row] = key.split("#");
  return row ?? file.split("/").pop();
}

export function day(text) {
  const time = new Date(text);
  return Number.isNaN(time.getTime())
    ? text
    : time.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

export function value(found) {
  if (found == null) return "";
  if (typeof found === "number") return Number.isInteger(found) ? count(found) : String(Number(found.toPrecision(6)));
  return typeof found === "object" ? JSON.stringify(found) : String(found);
}
