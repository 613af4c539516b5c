// What the page does beyond its HTML: it takes in what changes, says the total now and then, and draws usage from its tables.
// No figure is computed here: the engine sends texts.

const live = document.getElementById("live");
const connection = document.getElementById("connection");
const standing = document.getElementById("standing");
const announced = document.getElementById("announced");
const SAY_EVERY_MS = 10_000;
const ASK_EVERY_MS = 3_000;
const TRY_AGAIN_MAX_MS = 60_000;

// Makes an element like another one and keeps what is the same: focus, open details and a reader's place stay.
function become(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE && fresh.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeName !== fresh.nodeName || old.childNodes.length !== fresh.childNodes.length) {
    old.replaceWith(fresh.cloneNode(true));
    return;
  }
  for (const { name, value } of [...(fresh.attributes ?? [])]) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...(old.attributes ?? [])]) {
    if (!fresh.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  const children = [...fresh.childNodes];
  [...old.childNodes].forEach((child, place) => become(child, children[place]));
}

function fill(part, html) {
  const fresh = document.createElement("div");
  // Parsed apart from the page: nothing in it runs or loads.
  fresh.append(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  const old = part.childNodes, now = fresh.childNodes;
  if (old.length !== now.length) part.replaceChildren(...now);
  else {
    const wanted = [...now];
    [...old].forEach((child, place) => become(child, wanted[place]));
  }
}

function show(html) {
  fill(live, html);
  say();
  askStanding();
}

// Limits and alerts follow the figures: read again soon after them, and not with every one. An alert is told a moment after its usage.
let asking = 0;
function askStanding() {
  if (!standing || asking) return;
  asking = setTimeout(async () => {
    try {
      const answer = await fetch(standing.dataset.from, { cache: "no-store" });
      if (answer.ok) fill(standing, await answer.text());
    } catch {
      // The network is away: the next figures ask again.
    }
    asking = 0;
  }, ASK_EVERY_MS);
}

let saidAt = 0;
let saying = 0;
function say() {
  clearTimeout(saying);
  saying = setTimeout(() => {
    saidAt = Date.now();
    const totals = [...live.querySelectorAll(".due")].map((each) => each.textContent).join(", ");
    const text = announced.dataset.said.replace("{amount}", totals);
    if (announced.textContent !== text) announced.textContent = text;
  }, Math.max(0, saidAt + SAY_EVERY_MS - Date.now()));
}

function tell(name) {
  if (connection.textContent !== connection.dataset[name]) connection.textContent = connection.dataset[name];
}

let waitMs = 1_000;
let source = null;
let trying = 0;
function watch() {
  // A tab that nobody sees holds no connection: a browser has few for each site, and the engine has places for so many.
  if (document.hidden) return;
  source?.close();
  source = new EventSource(live.dataset.events);
  source.onmessage = (event) => {
    waitMs = 1_000;
    tell("live");
    show(JSON.parse(event.data).html);
  };
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) {
      tell("lost");
      return;
    }
    clearTimeout(trying);
    trying = setTimeout(again, waitMs);
    waitMs = Math.min(2 * waitMs, TRY_AGAIN_MAX_MS);
  };
}

async function again() {
  try {
    const answer = await fetch(live.dataset.events, { method: "HEAD", cache: "no-store" });
    if (answer.status === 401 || answer.status === 403) {
      tell("ended");
      return;
    }
  } catch {
    // The network is away.
  }
  tell("lost");
  watch();
}

// A bar for each row of a table, over the days from its start to its end. Numbers become pixels here, and nothing else.
function draw(place) {
  const table = document.getElementById(place.dataset.table);
  const day = 86_400;
  const at = (text) => Date.parse(`${text}T00:00:00Z`) / 1_000;
  const step = Number(place.dataset.days) * day;
  const found = new Map([...table.querySelectorAll("tbody tr")].map((row) => [at(row.querySelector("time").dateTime), Number(row.querySelector("data").value)]));
  const [first, end] = [Math.min(at(place.dataset.start), ...found.keys()), at(place.dataset.end)];
  // A place for every day, also for those without usage: a bar is as wide as its day.
  const count = Math.max(1, Math.ceil((end - first) / step));
  const times = step > day ? [...found.keys()] : Array.from({ length: count }, (_, number) => first + number * step);
  const values = times.map((each) => found.get(each) ?? null);
  const range = [first - step / 2, end - step / 2];
  const language = document.documentElement.lang;
  const days = new Intl.DateTimeFormat(language, { month: "short", day: "numeric", timeZone: "UTC" });
  const short = new Intl.NumberFormat(language, { notation: "compact" });
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--muted"), grid: { stroke: color("--rule"), width: 1 }, ticks: { show: false } };
  const chart = new uPlot(
    {
      width: place.clientWidth,
      height: 180,
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: () => range }, y: { range: (_, low, high) => [Math.min(0, low), Math.max(high, 0) || 1] } },
      axes: [
        { ...axis, values: (_, ticks) => ticks.map((each) => days.format(each * 1_000)), incrs: [day, 2 * day, 7 * day, 14 * day, 28 * day], space: 60 },
        { ...axis, values: (_, ticks) => ticks.map((each) => short.format(each)), size: 56 },
      ],
      series: [{}, { fill: color("--accent"), stroke: color("--accent"), width: 0, paths: uPlot.paths.bars({ size: [0.7, 32] }), points: { show: false } }],
    },
    [times, values],
    place,
  );
  return () => chart.setSize({ width: place.clientWidth, height: 180 });
}

function drawAll() {
  const fits = [];
  for (const place of document.querySelectorAll(".chart")) {
    place.hidden = false;
    place.replaceChildren();
    // What a chart shows its table says: readers of screens pass the chart over.
    place.setAttribute("aria-hidden", "true");
    fits.push(draw(place));
    if (!place.dataset.drawn) document.getElementById(place.dataset.table).closest("details").open = false;
    place.dataset.drawn = "yes";
  }
  return fits;
}

let fits = drawAll();
addEventListener("resize", () => fits.forEach((fit) => fit()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { fits = drawAll(); });
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source?.close();
  else watch();
});
watch();
