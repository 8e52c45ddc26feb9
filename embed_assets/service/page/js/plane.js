// Points of a map on the screen: where each is, which is near, which are within a line that was drawn.

const MARGIN = 18; // pixels around the outermost points
const WHOLE = { zoom: 1, x: 0, y: 0 };
export { WHOLE };

// Pixels of each point: the plane fills the canvas, then comes the view.
export function pixels({ x, y }, { width, height }, view) {
  const along = (values, size, shift, turn) => {
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    const unit = (size - 2 * MARGIN) / (high - low || 1);
    return Float32Array.from(values, (value) =>
      (MARGIN + (turn ? high - value : value - low) * unit) * view.zoom + shift);
  };
  return { x: along(x, width, view.x), y: along(y, height, view.y, true) };
}

// The view with another zoom, in which the pixel `at` stays where it is.
export function zoomed(view, by, at) {
  const zoom = Math.min(60, Math.max(1, view.zoom * by));
  if (zoom === 1) return WHOLE;
  const factor = zoom / view.zoom;
  return { zoom, x: at.x - (at.x - view.x) * factor, y: at.y - (at.y - view.y) * factor };
}

// The number of the point with the least cost, given by its offsets from `at`; -1 where all are infinite.
export function least(points, isShown, at, cost) {
  let [best, found] = [Infinity, -1];
  for (let place = 0; place < points.x.length; place += 1) {
    const each = isShown(place) ? cost(points.x[place] - at.x, points.y[place] - at.y) : Infinity;
    if (each < best) [best, found] = [each, place];
  }
  return found;
}

export const within = (radius) => (x, y) => (Math.hypot(x, y) <= radius ? Math.hypot(x, y) : Infinity);

// Costs of a step by an arrow key: what is ahead, the straighter the better.
export const ahead = ([right, down]) => (x, y) => {
  const [along, beside] = [x * right + y * down, Math.abs(x * down + y * right)];
  return along > 0.5 ? along + 2 * beside : Infinity;
};

// Whether a point is within a closed line, by the crossings to its right.
export function isInside(line, x, y) {
  let inside = false;
  for (let one = 0, other = line.length - 1; one < line.length; other = one, one += 1) {
    const [a, b] = [line[one], line[other]];
    if (a.y > y !== b.y > y && x < ((b.x - a.x) * (y - a.y)) / (b.y - a.y) + a.x) inside = !inside;
  }
  return inside;
}
