// The page by keyboard: keys of the whole page, and arrows that move in the results by rows and columns.

const isTyping = (element) =>
  element?.matches?.("input:not([type=checkbox],[type=radio],[type=range]), textarea, select");
const STEPS = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "up",
  ArrowDown: "down",
  h: "left",
  l: "right",
  k: "up",
  j: "down",
};

// `actions`: openHelp, close, play, like, judge, step; each is given the id of the result in focus.
export function listen(actions) {
  const onKeyDown = (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    if (handle(event, actions)) event.preventDefault();
  };
  document.addEventListener("keydown", onKeyDown);
  return () => document.removeEventListener("keydown", onKeyDown);
}

function handle(event, actions) {
  const focus = document.activeElement;
  if (event.key === "Escape") return actions.close(focus);
  if (isTyping(focus)) return focus.id === "q" && event.key === "ArrowDown" && focusFirst();
  if (event.key === "/") return focusBox();
  if (event.key === "?") return (actions.openHelp(), true);
  if (focus?.matches("input, summary") || focus?.closest("video, audio")) return false;
  const card = focus?.closest("[data-id]");
  const inDrawer = focus?.closest(".drawer");
  const step = STEPS[event.key];
  if (inDrawer && (event.key === "ArrowLeft" || event.key === "ArrowRight"))
    return (actions.step(step === "left" ? -1 : 1), true);
  if (step && card) return move(card, step);
  if (step && !inDrawer && focus === document.body)
    return event.key.startsWith("Arrow") && event.key !== "ArrowUp" && focusFirst();
  const id = card?.dataset.id ?? (inDrawer ? inDrawer.dataset.id : null);
  if (event.key === " " && card && !focus.matches("button")) return (actions.play(id), true);
  if (event.key === "m" && id) return (actions.like(id), true);
  if (event.key === "g" && id) return (actions.judge(id, true), true);
  if (event.key === "b" && id) return (actions.judge(id, false), true);
  return false;
}

export function focusBox() {
  const box = document.getElementById("q");
  box?.focus();
  box?.select();
  return true;
}

const linkOf = (card) => card.querySelector("a.name");

function focusFirst() {
  const first = document.querySelector("main [data-id]");
  if (!first) return false;
  linkOf(first).focus();
  return true;
}

const cardOf = (id) => document.querySelector(`main [data-id="${CSS.escape(id)}"]`);

export function focusItem(id) {
  const card = cardOf(id);
  if (card) linkOf(card).focus({ preventScroll: true });
}

export const showItem = (id) => cardOf(id)?.scrollIntoView({ block: "nearest" });

// Cards have several widths: the neighbour in a row above or below is the one whose middle is nearest.
function move(card, step) {
  const cards = [...document.querySelectorAll("main [data-id]")];
  const here = card.getBoundingClientRect();
  const place = cards.indexOf(card);
  let next = null;
  if (step === "left" || step === "right") {
    next = cards[place + (step === "left" ? -1 : 1)];
  } else {
    const middle = (box) => box.left + box.width / 2;
    const beyond = cards
      .map((each) => [each, each.getBoundingClientRect()])
      .filter(([, box]) => (step === "down" ? box.top > here.top + 4 : box.top < here.top - 4));
    const rows = beyond.map(([, box]) => box.top);
    const row = step === "down" ? Math.min(...rows) : Math.max(...rows);
    next = beyond
      .filter(([, box]) => Math.abs(box.top - row) < 4)
      .sort(
        ([, one], [, other]) => Math.abs(middle(one) - middle(here)) - Math.abs(middle(other) - middle(here)),
      )[0]?.[0];
    if (!next && step === "up") return focusBox();
  }
  if (!next) return true;
  linkOf(next).focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}
