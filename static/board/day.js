// The charts of a queue's day, out of the numbers that the table shows as well. Without this script the table stands.

const data = JSON.parse(document.getElementById("day-data").textContent);
const section = document.getElementById("charts");
const {words} = data;
const dark = matchMedia("(prefers-color-scheme: dark)");
let charts = [];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const minutes = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.round(seconds % 60)).padStart(2, "0")}`;

// Diagonal lines on a small tile, as everything old is hatched on the board.
function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const brush = tile.getContext("2d");
  brush.strokeStyle = colour("line-strong");
  brush.lineWidth = 1;
  for (const at of [-8, 0, 8]) {
    brush.moveTo(at, 8);
    brush.lineTo(at + 8, 0);
  }
  brush.stroke();
  return context.createPattern(tile, "repeat");
}

const gaps = {
  id: "gaps",
  beforeDatasetsDraw({ctx, chartArea: {left, top, width, height}}) {
    ctx.save();
    ctx.fillStyle = hatch(ctx);
    for (const [began, ended] of data.gaps) ctx.fillRect(left + began * width, top, Math.max((ended - began) * width, 1), height);
    ctx.restore();
  },
};

function bars(name, tone, stack) {
  return {type: "bar", label: words[name], data: data[name], backgroundColor: colour(tone), stack,
    barPercentage: 1, categoryPercentage: .86, pointStyle: "rect"};
}

// Neither good nor bad, and still to be told from the page.
const outlined = (set) => ({...set, borderColor: colour("edge"), borderWidth: 1, borderSkipped: false});

// Seconds are marked at whole and half minutes, and so on: never at 50 s.
function step(values) {
  const most = Math.max(30, ...values.filter((value) => value !== null));
  return [10, 30, 60, 120, 300, 600, 1800, 3600].find((size) => most / size <= 5) ?? 7200;
}

// 00:00, 03:00, 06:00: where there is no room for them all, every second one.
function everyThirdHour(at) {
  const time = data.times[at];
  return time.endsWith(":00") && parseInt(time, 10) % 3 === 0 ? time : null;
}

function options(format, top, stepSize) {
  const quiet = {color: colour("ink-3"), font: {size: 11}};
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: {mode: "index", intersect: false},
    scales: {
      x: {stacked: true, offset: true, grid: {display: false}, border: {color: colour("line-strong")},
        ticks: {...quiet, maxRotation: 0, autoSkipPadding: 16, callback: everyThirdHour}},
      y: {stacked: true, beginAtZero: true, suggestedMax: top, max: top === 100 ? 100 : undefined,
        border: {display: false}, grid: {color: colour("line")},
        ticks: {...quiet, precision: 0, maxTicksLimit: 6, stepSize, callback: format}},
    },
    plugins: {
      legend: {display: false, position: "bottom", align: "start",
        labels: {color: colour("ink-2"), usePointStyle: true, boxHeight: 7, font: {size: 11.5}}},
      tooltip: {backgroundColor: colour("surface"), borderColor: colour("line-strong"), borderWidth: 1, padding: 8,
        titleColor: colour("ink"), bodyColor: colour("ink-2"), usePointStyle: true, boxWidth: 8, boxHeight: 8, boxPadding: 4,
        filter: ({raw}) => raw !== null, callbacks: {label: ({dataset, raw}) => `${dataset.label}: ${format(raw)}`}},
    },
  };
}

function show(id, datasets, format = String, top = 4, stepSize = undefined) {
  const given = options(format, top, stepSize);
  given.plugins.legend.display = datasets.length > 1;
  charts.push(new Chart(document.getElementById(id), {
    data: {labels: data.times, datasets}, options: given, plugins: [gaps]}));
}

function draw() {
  charts.forEach((chart) => chart.destroy());
  charts = [];
  Chart.defaults.font.family = getComputedStyle(document.body).fontFamily;
  section.hidden = false; // first: a hidden canvas has no size
  show("chart-calls", [bars("answered", "bar", "calls"), bars("unanswered", "warn", "calls"), outlined(bars("rest", "raised", "calls"))]);
  show("chart-waiting", [bars("waiting", "bar", "waiting")]);
  show("chart-wait", [bars("wait", "bar", "wait")], minutes, 30, step(data.wait));
  const percent = (value) => `${Math.round(value)} %`;
  const line = (name, values, tone, more) => ({type: "line", label: words[name], data: values, stack: name,
    borderColor: colour(tone), backgroundColor: colour(tone), borderWidth: 2, pointRadius: 2, pointHoverRadius: 4, pointStyle: "circle", ...more});
  show("chart-level", [
    line("level", data.level, "act", {spanGaps: false}),
    line("target", data.times.map(() => data.target), "ink-3", {borderDash: [4, 4], borderWidth: 1.5, pointRadius: 0, pointHoverRadius: 0, pointStyle: "line"}),
  ], percent, 100);
  section.dataset.drawn = "yes";
}

draw();
dark.addEventListener("change", draw);
addEventListener("beforeprint", () => charts.forEach((chart) => chart.resize()));
