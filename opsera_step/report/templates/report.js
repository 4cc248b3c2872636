// The log of the report: unpacked, drawn, and searched in blocks, so that a long log
// opens as fast as a short one. Without this script the page has the last lines of each step.
(() => {
  "use strict";

  const ROW = 20; // --row of the style sheet, in pixels
  const PART = 50000; // lines of a step that fold together: browsers limit the page height
  const MOST_HITS = 10000;
  const COLOR = /\x1b\[([0-9;:]*)m/g;

  const get = (id) => document.getElementById(id);
  const make = (tag, name, text = "") => {
    const element = document.createElement(tag);
    if (name) element.className = name;
    if (text) element.textContent = text;
    return element;
  };
  const root = document.documentElement;

  // ---- The data of the page --------------------------------------------------------------------

  class Block {
    constructor(script) {
      this.script = script;
      const numbers = script.dataset.lines.split(",").map(Number);
      this.ranges = inPairs(numbers);
      this.times = script.dataset.times ? inPairs(script.dataset.times.split(",").map(Number)) : [];
      this.count = this.ranges.reduce((sum, [, count]) => sum + count, 0);
      this.place = null; // where it is drawn, once its step is open
      this.near = false;
      this.held = false; // about to be shown, regardless of its position
    }

    /** The lines with their color codes. */
    async lines() {
      const unpacker = new DecompressionStream("deflate-raw");
      const writer = unpacker.writable.getWriter();
      writer.write(bytesOf(this.script.textContent));
      writer.close();
      return (await new Response(unpacker.readable).text()).split("\n");
    }

    /** The number in the whole log of the line at this index. */
    number(index) {
      for (const [first, count] of this.ranges) {
        if (index < count) return first + index;
        index -= count;
      }
      return 0;
    }

    /** When the line at this index was recorded, in milliseconds since 1970; 0 if unknown. */
    time(index) {
      for (const [moment, count] of this.times) {
        if (index < count) return moment;
        index -= count;
      }
      return 0;
    }

    /** The index of a line of the whole log in here, or -1. */
    index(number) {
      let before = 0;
      for (const [first, count] of this.ranges) {
        if (number >= first && number < first + count) return before + number - first;
        before += count;
      }
      return -1;
    }
  }

  const inPairs = (numbers) =>
    numbers.flatMap((number, at) => (at % 2 ? [] : [[number, numbers[at + 1]]]));

  function bytesOf(base64) {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
    const raw = atob(base64);
    const bytes = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at += 1) bytes[at] = raw.charCodeAt(at);
    return bytes;
  }

  class Step {
    constructor(details) {
      this.details = details;
      this.key = details.dataset.step;
      this.blocks = [];
      this.mounted = false;
    }

    /** Make room for the lines; they are drawn when they come near. */
    mount() {
      if (this.mounted) return;
      this.mounted = true;
      const log = this.details.querySelector(".log");
      const name = this.details.querySelector(".name bdi").textContent;
      const parts = inParts(this.blocks);
      log.replaceChildren(
        ...parts.map((blocks, at) => {
          const lines = make("div", "lines");
          lines.tabIndex = 0;
          lines.setAttribute("role", "region");
          lines.setAttribute("aria-label", `Log of ${name}` + (parts.length > 1 ? `, part ${at + 1}` : ""));
          for (const block of blocks) {
            block.place = make("div", "block");
            block.place.style.height = `${block.count * ROW}px`;
            block.place.block = block;
            lines.append(block.place);
            watcher.observe(block.place);
          }
          return parts.length > 1 ? this.part(blocks, lines, at === parts.length - 1) : lines;
        }),
      );
    }

    part(blocks, lines, open) {
      const part = make("details", "part");
      const last = blocks[blocks.length - 1];
      const range = `Lines ${blocks[0].number(0)} to ${last.number(last.count - 1)}`;
      part.append(make("summary", "", range), lines);
      part.open = open;
      return part;
    }

    unmount() {
      if (!this.mounted) return;
      this.mounted = false;
      for (const block of this.blocks) {
        if (block.place) watcher.unobserve(block.place);
        block.place = null;
        block.near = false;
      }
      this.details.querySelector(".log").replaceChildren();
    }
  }

  const inParts = (blocks) => {
    const parts = [[]];
    let size = 0;
    for (const block of blocks) {
      if (size >= PART) {
        parts.push([]);
        size = 0;
      }
      parts[parts.length - 1].push(block);
      size += block.count;
    }
    return parts;
  };

  // ---- Drawing --------------------------------------------------------------------------------

  const watcher = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) {
        const block = target.block;
        block.near = isIntersecting;
        if (isIntersecting) draw(block);
        else if (!block.held) rub(block);
      }
    },
    { rootMargin: "800px 0px" },
  );

  async function draw(block) {
    const place = block.place;
    if (!place || place.firstChild) return;
    const lines = await block.lines();
    if (block.place !== place || !(block.near || block.held) || place.firstChild) return;
    place.append(...rows(block, lines));
    place.style.height = "";
  }

  function rub(block) {
    const place = block.place;
    if (!place || !place.firstChild) return;
    place.style.height = `${place.getBoundingClientRect().height || block.count * ROW}px`;
    place.replaceChildren();
  }

  async function redraw() {
    const drawn = steps.flatMap((step) => step.blocks).filter((one) => one.place && one.place.firstChild);
    for (const block of drawn) {
      const place = block.place;
      const lines = await block.lines();
      if (block.place === place && place.firstChild) {
        place.replaceChildren(...rows(block, lines));
      }
    }
    drawExcerpt();
  }

  const rows = (block, lines) => lines.map((line, at) => row(line, block.number(at), block.time(at)));

  function row(line, number, moment) {
    const element = make("div", number >= picked.first && number <= picked.last ? "line picked" : "line");
    const link = make("a", "number", String(number));
    link.href = `#L${number}`;
    link.tabIndex = -1; // not thousands of tab stops; the field “Line” does the same
    element.append(link);
    if (moment && root.classList.contains("times")) element.append(clock(moment));
    element.append(text(line, number));
    return element;
  }

  function clock(moment) {
    const stamp = new Date(moment).toISOString();
    const element = make("time", "clock", stamp.slice(11, 19));
    element.dateTime = stamp;
    element.title = stamp;
    return element;
  }

  function text(line, number) {
    const element = make("span", "text");
    const runs = inRuns(line);
    const hits = search.pattern ? matches(runs.map((run) => run.text).join("")) : [];
    let at = 0;
    for (const run of runs) {
      const nodes = withMarks(run.text, at, hits, number);
      if (run.look) {
        const span = make("span", "");
        paint(span, run.look);
        span.append(...nodes);
        element.append(span);
      } else {
        element.append(...nodes);
      }
      at += run.text.length;
    }
    return element;
  }

  function withMarks(text, at, hits, number) {
    const nodes = [];
    let done = 0;
    for (const [first, last] of hits) {
      const from = Math.max(first - at, done);
      const to = Math.min(last - at, text.length);
      if (to <= from) continue;
      if (from > done) nodes.push(text.slice(done, from));
      const mark = make("mark", search.isAt(number, first) ? "now" : "", text.slice(from, to));
      nodes.push(mark);
      done = to;
    }
    if (done < text.length) nodes.push(text.slice(done));
    return nodes;
  }

  // ---- Colors ---------------------------------------------------------------------------------

  const BASE = [
    [0, 0, 0], [194, 54, 33], [37, 188, 36], [173, 173, 39], [73, 46, 225], [211, 56, 211],
    [51, 187, 200], [203, 204, 205], [129, 131, 131], [252, 57, 31], [49, 231, 34],
    [234, 236, 35], [88, 51, 255], [249, 53, 248], [20, 240, 240], [233, 235, 235],
  ];

  /** Split a line where its look changes; `look` is null where there is none. */
  function inRuns(line) {
    if (!line.includes("\x1b")) return [{ text: line, look: null }];
    const runs = [];
    let look = {};
    let at = 0;
    for (const found of line.matchAll(COLOR)) {
      add(line.slice(at, found.index));
      look = changed(look, found[1]);
      at = found.index + found[0].length;
    }
    add(line.slice(at));
    return runs;

    function add(text) {
      if (text) runs.push({ text, look: Object.keys(look).length ? look : null });
    }
  }

  function changed(look, codes) {
    const list = codes.split(";");
    look = { ...look };
    for (let at = 0; at < list.length; at += 1) {
      const own = list[at].split(":");
      const code = Number(own[0]) || 0;
      if (code === 38 || code === 48 || code === 58) {
        const taken = own.length > 1 ? 0 : list[at + 1] === "2" ? 4 : 2;
        const values = taken ? list.slice(at + 1, at + 1 + taken) : own.slice(1);
        at += taken;
        if (code !== 58) look[code === 38 ? "f" : "b"] = wide(values.map(Number));
      } else change(look, code);
    }
    return look;
  }

  function change(look, code) {
    const on = { 1: "bold", 2: "dim", 3: "italic", 4: "under", 21: "under", 7: "swap", 9: "strike" };
    const off = { 23: ["italic"], 24: ["under"], 27: ["swap"], 29: ["strike"], 22: ["bold", "dim"] };
    if (code === 0) for (const key of Object.keys(look)) delete look[key];
    else if (on[code]) look[on[code]] = true;
    else if (off[code]) for (const key of off[code]) delete look[key];
    else if (code === 39) delete look.f;
    else if (code === 49) delete look.b;
    else if (code >= 30 && code <= 37) look.f = code - 30;
    else if (code >= 90 && code <= 97) look.f = code - 82;
    else if (code >= 40 && code <= 47) look.b = code - 40;
    else if (code >= 100 && code <= 107) look.b = code - 92;
  }

  /** A color of the 256, or of red, green, and blue. */
  function wide(values) {
    const number = values[1] || 0;
    if (values[0] === 2) return values.slice(-3).map((one) => Math.min(255, one || 0));
    if (number < 16) return number;
    if (number >= 232) return Array(3).fill(8 + 10 * (number - 232));
    const level = (one) => (one % 6 ? 55 + 40 * (one % 6) : 0);
    const rest = number - 16;
    return [level(Math.floor(rest / 36)), level(Math.floor(rest / 6)), level(rest)];
  }

  function paint(span, look) {
    const names = [["bold", "b"], ["dim", "d"], ["italic", "i"], ["under", "u"], ["strike", "s"]];
    for (const [key, name] of names) if (look[key]) span.classList.add(name);
    const page = isDark() ? [13, 17, 23] : [251, 252, 253];
    const ink = isDark() ? [230, 237, 243] : [31, 35, 40];
    let { f: front, b: back } = look;
    if (look.swap) [front, back] = [back ?? page, front ?? ink];
    const rgb = (one) => (typeof one === "number" ? BASE[one] : one);
    if (back !== undefined) span.style.backgroundColor = css(rgb(back));
    if (back === undefined && typeof front === "number") span.classList.add(`f${front}`);
    else if (front !== undefined || back !== undefined) {
      span.style.color = css(readable(rgb(front ?? ink), back === undefined ? page : rgb(back)));
    }
  }

  const css = ([red, green, blue]) => `rgb(${red} ${green} ${blue})`;

  const light = (color) => {
    const [red, green, blue] = color.map((one) => {
      const part = one / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };

  /** The color, adjusted toward black or white until it is readable on the other. */
  function readable(color, on) {
    const ground = light(on);
    const goal = ground > 0.18 ? 0 : 255;
    for (let share = 0; share <= 1; share += 0.1) {
      const tried = color.map((one) => Math.round(one + (goal - one) * share));
      const [low, high] = [ground, light(tried)].sort((a, b) => a - b);
      if ((high + 0.05) / (low + 0.05) >= 4.6) return tried;
    }
    return [goal, goal, goal];
  }

  // ---- Searching ------------------------------------------------------------------------------

  const search = {
    pattern: null,
    hits: [],
    at: -1,
    turn: 0,
    isAt(number, first) {
      const hit = this.hits[this.at];
      return hit !== undefined && hit.number === number && hit.first === first;
    },
  };

  function matches(plain) {
    return Array.from(plain.matchAll(search.pattern), (found) => [found.index, found.index + found[0].length]);
  }

  async function find(query) {
    search.turn += 1;
    const turn = search.turn;
    search.hits = [];
    search.at = -1;
    search.pattern = query ? new RegExp(query.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"), "giu") : null;
    if (!query) {
      showCount();
      await redraw();
      return;
    }
    const all = steps.flatMap((step) => step.blocks.map((block) => [step, block]));
    for (let at = 0; at < all.length && search.hits.length < MOST_HITS; at += 8) {
      const some = all.slice(at, at + 8);
      const texts = await Promise.all(some.map(([, block]) => block.lines()));
      if (turn !== search.turn) return;
      some.forEach(([step, block], index) => collect(step, block, texts[index]));
      if (at % 256 === 0) showCount("…");
    }
    await redraw();
    if (turn !== search.turn) return;
    if (search.hits.length) await goToHit(0);
    else showCount();
  }

  function collect(step, block, lines) {
    const whole = lines.join("\n").replace(COLOR, "");
    if (whole.search(search.pattern) < 0) return;
    whole.split("\n").forEach((plain, index) => {
      for (const [first] of matches(plain)) {
        if (search.hits.length < MOST_HITS) search.hits.push({ step, block, number: block.number(index), first });
      }
    });
  }

  function showCount(trailing = "") {
    const count = search.hits.length;
    const all = count >= MOST_HITS ? `${count}+` : `${count}`;
    let said = "";
    if (search.pattern) said = trailing ? `${all} ${trailing}` : "not found";
    if (search.pattern && !trailing && count) said = `${search.at + 1} of ${all}`;
    get("found").textContent = said;
  }

  async function goToHit(at) {
    const count = search.hits.length;
    if (!count) return;
    const before = search.hits[search.at];
    search.at = (at + count) % count;
    const hit = search.hits[search.at];
    if (before) await refresh(before);
    await show(hit.step, hit.block, hit.number, true);
    showCount();
  }

  async function refresh({ block, number }) {
    const index = block.index(number);
    if (!block.place || !block.place.firstChild) return;
    const line = (await block.lines())[index];
    const old = block.place && block.place.children[index];
    if (old) old.replaceWith(row(line, number, block.time(index)));
  }

  // ---- Places ---------------------------------------------------------------------------------

  const picked = { first: 0, last: -1 };

  /** Open, draw and bring into view one line. */
  async function show(step, block, number, redraw = false) {
    step.details.open = true;
    step.mount();
    const part = block.place.closest(".part");
    if (part) part.open = true;
    block.held = true;
    await draw(block);
    if (redraw) await refresh({ block, number });
    await bringIntoView(block, number);
    block.held = false;
    if (!block.near) rub(block);
  }

  async function bringIntoView(block, number) {
    // Content above may only be drawn now and change its height, so check the position again.
    for (let round = 0; round < 3; round += 1) {
      const line = block.place && block.place.children[block.index(number)];
      if (!line) return;
      const target = line.querySelector("mark.now") || line;
      const { top, bottom } = target.getBoundingClientRect();
      if (round === 0 || top < 120 || bottom > innerHeight) {
        target.scrollIntoView({ block: "center", inline: target === line ? "start" : "nearest" });
      }
      await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 60)));
    }
  }

  function owner(number) {
    for (const step of steps) {
      const block = step.blocks.find((one) => one.index(number) >= 0);
      if (block) return [step, block];
    }
    return null;
  }

  async function follow() {
    const found = /^#L(\d+)(?:-L?(\d+))?$/.exec(location.hash);
    const step = /^#step-\d+$/.test(location.hash) && get(location.hash.slice(1));
    if (step) step.open = true;
    const first = found ? Number(found[1]) : 0;
    const last = found ? Number(found[2] || found[1]) : -1;
    [picked.first, picked.last] = first > last && found ? [last, first] : [first, last];
    await redraw();
    const place = found && owner(picked.first);
    if (place) await show(...place, picked.first);
    if (found && !place) say(`Line ${picked.first} not found.`);
  }

  /** Change the layout of lines, and keep the scroll position. */
  async function keepPlace(action) {
    const lines = Array.from(document.querySelectorAll(".lines .line"));
    const seen = lines.find((line) => line.getBoundingClientRect().top > 120);
    const number = seen ? Number(seen.firstChild.textContent) : 0;
    const top = seen ? seen.getBoundingClientRect().top : 0;
    action();
    if (seen && seen.isConnected && number) scrollBy(0, seen.getBoundingClientRect().top - top);
  }

  const say = (text) => {
    get("said").textContent = text;
  };

  // ---- User actions ---------------------------------------------------------------------------

  const remember = (key, value) => {
    try {
      localStorage.setItem(`opsera-step ${key}`, value);
    } catch {
      // A page from disk or in a sandbox may have no storage.
    }
  };
  const remembered = (key) => {
    try {
      return localStorage.getItem(`opsera-step ${key}`);
    } catch {
      return null;
    }
  };

  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);

  function themed(theme) {
    if (theme) root.dataset.theme = theme;
    get("theme").textContent = isDark() ? "Light theme" : "Dark theme";
    redraw();
  }

  function wrapped(on) {
    keepPlace(() => {
      root.classList.toggle("wrap", on);
      get("wrap").setAttribute("aria-pressed", String(on));
      for (const step of steps) {
        for (const { place, count } of step.blocks) {
          if (place && !place.firstChild) place.style.height = `${count * ROW}px`;
        }
      }
    });
  }

  function timed(on) {
    root.classList.toggle("times", on);
    get("times").setAttribute("aria-pressed", String(on));
    redraw();
  }

  async function copyLog(step, button) {
    const texts = [];
    for (const block of step.blocks) texts.push((await block.lines()).join("\n"));
    const label = button.textContent;
    const done = await copied(texts.join("\n").replace(COLOR, "") + "\n");
    button.textContent = done ? "Copied" : "Can't copy here";
    say(button.textContent);
    setTimeout(() => (button.textContent = label), 2000);
  }

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Some browsers deny pages from disk the clipboard API; the old API needs a text field.
      const field = make("textarea", "away");
      field.value = text;
      document.body.append(field);
      field.select();
      const done = document.execCommand("copy");
      field.remove();
      return done;
    }
  }

  async function drawExcerpt() {
    for (const excerpt of document.querySelectorAll(".excerpt .last")) await drawLines(excerpt);
  }

  async function drawLines(excerpt) {
    const drawn = [];
    for (const line of excerpt.querySelectorAll(".line")) {
      const link = line.querySelector("a.number");
      if (!link) {
        drawn.push(gap(line.querySelector(".text").textContent));
        continue;
      }
      const number = Number(link.textContent);
      const place = owner(number);
      if (!place) return; // omitted from the page; the plain text remains
      const index = place[1].index(number);
      drawn.push(row((await place[1].lines())[index], number, place[1].time(index)));
    }
    excerpt.replaceChildren(...drawn);
  }

  function gap(note) {
    const element = make("div", "line gap");
    element.append(make("span", "number"), make("span", "text", note));
    return element;
  }

  function pick(event) {
    const link = event.target.closest("a.number");
    if (!link) return;
    event.preventDefault();
    const number = Number(link.textContent);
    const range = event.shiftKey && picked.last > 0;
    const [first, last] = [picked.first, number].sort((a, b) => a - b);
    history.pushState(null, "", range ? `#L${first}-L${last}` : `#L${number}`);
    [picked.first, picked.last] = range ? [first, last] : [number, number];
    if (link.closest(".excerpt")) follow();
    else redraw();
  }

  function listen() {
    let timer = 0;
    get("find").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => find(get("find").value), 200);
    });
    get("find").addEventListener("keydown", (event) => {
      if (event.key === "Enter") goToHit(search.at + (event.shiftKey ? -1 : 1));
      if (event.key === "Escape" && get("find").value) {
        get("find").value = "";
        find("");
      }
    });
    get("next").addEventListener("click", () => goToHit(search.at + 1));
    get("previous").addEventListener("click", () => goToHit(search.at - 1));
    get("line").addEventListener("keydown", (event) => {
      const number = Math.floor(Number(get("line").value) || 0);
      if (event.key !== "Enter") return;
      if (location.hash === `#L${number}`) follow();
      else location.hash = `#L${number}`;
    });
    get("wrap").addEventListener("click", () => {
      const on = !root.classList.contains("wrap");
      remember("wrap", on ? "1" : "");
      wrapped(on);
    });
    get("times").addEventListener("click", () => {
      const on = !root.classList.contains("times");
      remember("times", on ? "1" : "");
      timed(on);
    });
    get("open-all").addEventListener("click", () => steps.forEach((step) => (step.details.open = true)));
    get("close-all").addEventListener("click", () => steps.forEach((step) => (step.details.open = false)));
    get("theme").addEventListener("click", () => {
      const theme = isDark() ? "light" : "dark";
      remember("theme", theme);
      themed(theme);
    });
    system.addEventListener("change", () => themed(""));
    addEventListener("hashchange", follow);
    document.addEventListener("click", pick);
    document.addEventListener("keydown", (event) => {
      // The browser's own search sees only what is drawn; pressed a second time, it opens.
      const wanted = event.key === "f" && (event.ctrlKey || event.metaKey) && !event.shiftKey;
      if (wanted && document.activeElement !== get("find")) {
        event.preventDefault();
        get("find").focus();
        get("find").select();
      }
    });
    for (const step of steps) {
      step.details.addEventListener("toggle", () => (step.details.open ? step.mount() : step.unmount()));
      const button = step.details.querySelector(".copy");
      if (button) button.addEventListener("click", () => copyLog(step, button));
    }
  }

  // ---- Start --------------------------------------------------------------------------

  const steps = Array.from(document.querySelectorAll("details[data-step]"), (one) => new Step(one));
  if (typeof DecompressionStream === "undefined") return; // the last lines stay; log.txt has all
  const byKey = new Map(steps.map((step) => [step.key, step]));
  for (const script of document.querySelectorAll("script[data-step]")) {
    byKey.get(script.dataset.step).blocks.push(new Block(script));
  }
  get("theme").hidden = false;
  get("tools").hidden = !steps.length;
  get("times").hidden = !steps.some((step) => step.blocks.some((block) => block.times.length));
  for (const acts of document.querySelectorAll(".acts")) acts.hidden = false;
  listen();
  steps.filter((step) => step.details.open).forEach((step) => step.mount());
  themed(remembered("theme"));
  if (remembered("wrap")) wrapped(true);
  if (remembered("times") && !get("times").hidden) timed(true);
  follow();
})();
