// How large the letters are: as large as the eye needs from where people sit. dashboard/wall_type.py reckons the same,
// and says why; static/wall/wall.css derives every size from the one variable that is set here.

const ARC_MINUTES = 20;
const CAPITAL = 0.7; // of the font's size
const INCH_MM = 25.4;
const WIDE = 1920 / Math.hypot(1920, 1080); // of the diagonal
const MARGIN = 0.055;
const SMALLEST = 1 / 36; // of the shorter side
const IN_NUMBERS = 1 / 18.6;
const BOX_LEAST = 5.85; // letters: a narrower box has no note
const EM = {":": 0.27, " ": 0.2, "\u00a0": 0.2, "%": 0.93, "≥": 0.66}; // what is no digit or letter; a figure's own em
const root = document.documentElement;

/** The smallest text that must be read, in pixels of a window. */
export function letter(width, height, {diagonal, distance, layout}) {
  const capitalMm = 1000 * distance * Math.tan((ARC_MINUTES / 60) * (Math.PI / 180));
  const needed = (capitalMm / CAPITAL) * Math.max(width, height) / (diagonal * INCH_MM * WIDE);
  return Math.max(needed, Math.min(width, height) * (layout === "numbers" ? IN_NUMBERS : SMALLEST));
}

/** Sets the letter now and whenever the window changes; `changed` is told. */
export function start(changed) {
  const set = () => {
    setLetter();
    changed();
  };
  addEventListener("resize", set);
  setLetter();
  const figures = document.getElementById("kpis");
  new MutationObserver(() => fit(figures)).observe(figures, {subtree: true, childList: true, characterData: true});
  fit(figures);
}

function setLetter() {
  const [width, height] = [innerWidth, innerHeight];
  const px = letter(width, height, root.dataset);
  const content = width * (1 - 2 * MARGIN);
  root.style.setProperty("--letter", `${px}px`);
  root.toggleAttribute("data-tight", content / (width > height ? 4 : 2) < BOX_LEAST * px);
}

// A time of more than an hour is longer than others: its box does not grow, so it shrinks.
function fit(figures) {
  for (const figure of figures.querySelectorAll("[data-kpi]")) {
    const width = [...figure.textContent].reduce((sum, sign) => sum + (EM[sign] ?? 0.62), 0.05).toFixed(2);
    if (figure.style.getPropertyValue("--em") !== width) figure.style.setProperty("--em", width);
  }
}
