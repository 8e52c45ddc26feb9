// One sound or video plays at a time, from the start of its span to its end, again and again.

let current = null; // {element, stop}

export function play(element, { start, end, onEnd = () => {} }) {
  stop();
  const from = start == null ? 0 : start / 1000;
  const to = end == null || end <= (start ?? 0) ? Infinity : end / 1000;
  const again = () => {
    element.currentTime = from;
    element.play().catch(() => {});
  };
  const look = () => {
    if (element.currentTime >= to || element.currentTime < from - 0.5) again();
  };
  const clear = () => {
    element.removeEventListener("timeupdate", look);
    element.removeEventListener("ended", again);
    element.removeEventListener("pause", paused);
    element.pause();
    if (current?.element === element) current = null;
    onEnd();
  };
  // At its end a sound pauses too; by then it may have begun again.
  const paused = () => element.paused && !element.ended && element.currentTime < to && clear();
  element.addEventListener("timeupdate", look);
  element.addEventListener("ended", again);
  current = { element, stop: clear };
  const begin = () => {
    if (Math.abs(element.currentTime - from) > 0.05) element.currentTime = from;
    element.play().then(() => current?.element === element && element.addEventListener("pause", paused), clear);
  };
  if (element.readyState > 0) begin();
  else {
    element.addEventListener("loadedmetadata", begin, { once: true });
    element.load();
  }
}

export function stop() {
  current?.stop();
}
