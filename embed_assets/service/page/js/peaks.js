// The loudness of a sound over its length, for its picture: decoded here, of files of a few megabytes.

const MOST_BYTES = 4_000_000;
const AT_ONCE = 2;
const BARS = 96;
const kept = new Map(); // id → promise of {bars, seconds} or null
const waiting = [];
let running = 0;

export function peaks(id, url) {
  if (!kept.has(id))
    kept.set(
      id,
      queued(() => measure(url)).catch(() => null),
    );
  return kept.get(id);
}

function queued(work) {
  return new Promise((resolve, reject) => {
    waiting.push(() =>
      work()
        .then(resolve, reject)
        .finally(() => {
          running -= 1;
          next();
        }),
    );
    next();
  });
}

function next() {
  if (running < AT_ONCE && waiting.length) {
    running += 1;
    waiting.shift()();
  }
}

async function measure(url) {
  const abort = new AbortController();
  const response = await fetch(url, { signal: abort.signal });
  if (!response.ok || Number(response.headers.get("Content-Length") ?? Infinity) > MOST_BYTES) {
    abort.abort();
    return null;
  }
  const context = new OfflineAudioContext(1, 1, 8000);
  const sound = await context.decodeAudioData(await response.arrayBuffer());
  const samples = sound.getChannelData(0);
  const bars = new Float32Array(BARS);
  for (let place = 0; place < samples.length; place += 1) {
    const bar = Math.min(BARS - 1, Math.floor((place / samples.length) * BARS));
    const height = Math.abs(samples[place]);
    if (height > bars[bar]) bars[bar] = height;
  }
  const loudest = Math.max(...bars, 1e-4);
  return { bars: Array.from(bars, (height) => height / loudest), seconds: sound.duration };
}
