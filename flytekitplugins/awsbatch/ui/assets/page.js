// The page's own script: children of arrays as a grid and a table, logs that follow, changes as they come.
// It runs in a served page and in a report alike; markup that it puts in comes from the server, where it was escaped.
"use strict";
(() => {
  const $ = (what, at = document) => at.querySelector(what);
  const all = (what, at = document) => [...at.querySelectorAll(what)];
  const SIGNS = { failed: "✕", running: "▶", starting: "◔", queued: "○", interrupted: "‖", succeeded: "✓", cached: "≡" };
  const ROW = 30;
  const SVG = "http://www.w3.org/2000/svg";

  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === true) element.setAttribute(key, "");
      else if (value !== false && value != null) element.setAttribute(key, value);
    }
    element.append(...children);
    return element;
  }

  function shape(name, attributes) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  }

  function duration(ms) {
    if (ms == null) return "";
    if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
    const minutes = Math.floor(ms / 60000);
    return minutes < 60 ? `${minutes} min ${Math.floor(ms / 1000) % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  function memory(bytes) {
    if (bytes == null) return "";
    return bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.round(bytes / 2 ** 20)} MiB`;
  }

  // ---- children ----

  const ORDERS = {
    "Failed and slowest first": (a, b, o) => a.state - b.state || o.ran(b) - o.ran(a) || a.index - b.index,
    "By index": (a, b) => a.index - b.index,
    "Slowest first": (a, b, o) => o.ran(b) - o.ran(a) || a.index - b.index,
    "Longest wait first": (a, b, o) => o.waited(b) - o.waited(a) || a.index - b.index,
    "Most attempts first": (a, b) => b.tries - a.tries || a.index - b.index,
    "Most memory first": (a, b) => (b.memory || 0) - (a.memory || 0) || a.index - b.index,
  };

  class Children {
    constructor(place) {
      this.place = place;
      this.data = JSON.parse(document.getElementById(place.dataset.block).textContent);
      this.prefix = place.dataset.prefix;
      this.served = this.prefix.startsWith("/");
      this.states = this.data.states;
      this.children = new Map();
      this.off = new Set();
      this.chosen = null;
      this.wanted = "";
      this.order = "Failed and slowest first";
      this.moment = 0;
      this.high = 340;
      this.clock(this.data.now);
      this.take(this.data.rows, this.data.texts);
      this.build();
      this.arrange();
      new ResizeObserver(() => this.draw()).observe(this.grid);
    }

    clock(now) {
      this.at = { now, seen: performance.now() };
    }

    now() {
      return this.live ? this.at.now + performance.now() - this.at.seen : this.at.now;
    }

    take(rows, texts) {
      for (const [index, state, tries, text, peak, cpu, times] of rows) {
        this.children.set(index, { index, state, tries, reason: texts[text], memory: peak, cpu, times });
      }
      this.live = [...this.children.values()].some((child) => ["running", "starting", "queued"].includes(this.states[child.state]));
      this.end = 1;
      for (const child of this.children.values()) {
        for (const [queued, started, stopped] of child.times) this.end = Math.max(this.end, queued, started ?? 0, stopped ?? 0);
      }
    }

    update(message) {
      this.clock(message.now);
      this.take(message.rows, message.texts);
      this.arrange();
    }

    ran(child) {
      const begun = child.times.length ? child.times[0][1] : null;
      if (begun == null) return -1;
      const last = child.times[child.times.length - 1];
      return (["failed", "succeeded"].includes(this.states[child.state]) && last[2] != null ? last[2] : this.now()) - begun;
    }

    waited(child) {
      return child.times.reduce((sum, [queued, started, stopped]) => sum + (started ?? stopped ?? this.now()) - queued, 0);
    }

    build() {
      this.single = this.children.size === 1;
      this.chips = make("span", { class: "row", role: "group", "aria-label": "Show children by state" });
      const order = make("select", { "aria-label": "Order of the children" }, ...Object.keys(ORDERS).map((name) => make("option", {}, name)));
      order.addEventListener("change", () => {
        this.order = order.value;
        this.arrange();
      });
      const find = make("input", { type: "search", placeholder: "Index or reason", "aria-label": "Find children by index or reason" });
      find.addEventListener("input", () => {
        this.wanted = find.value.trim().toLowerCase();
        this.arrange();
      });
      this.canvas = make("canvas", { role: "img" });
      this.grid = make("div", { class: "grid" }, this.canvas);
      this.tip = make("p", { class: "tip" });
      this.canvas.addEventListener("pointermove", (event) => this.point(event));
      this.canvas.addEventListener("click", (event) => {
        const child = this.under(event);
        if (child) this.choose(child.index);
      });
      const heads = ["Child", "State", "Attempts", "Waited", "Ran", "Peak memory", "CPU", "Reason"];
      const head = make("div", { class: "vhead", role: "row" }, ...heads.map((word) => make("span", { role: "columnheader" }, word)));
      this.space = make("div", { class: "vspace", role: "rowgroup" });
      this.body = make("div", { class: "vbody", role: "presentation" }, this.space);
      this.table = make("div", { class: "vtable", role: "table", "aria-label": `Children of ${this.place.dataset.name}` },
        make("div", { role: "rowgroup" }, head), this.body);
      this.pool = [];
      this.body.addEventListener("scroll", () => this.soon(), { passive: true });
      this.body.addEventListener("keydown", (event) => this.key(event));
      this.body.addEventListener("click", (event) => {
        const row = event.target.closest(".vrow");
        if (!row || event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        this.choose(Number(row.dataset.index));
      });
      const tools = make("div", { class: "row" }, this.chips, order, find);
      this.place.replaceChildren(...(this.single ? [this.table] : [tools, this.grid, this.tip, this.table]));
    }

    arrange() {
      const counts = this.states.map(() => 0);
      for (const child of this.children.values()) counts[child.state] += 1;
      this.counts = counts;
      const states = this.states.map((state, place) => `${counts[place]} ${state}`).filter((_, place) => counts[place]);
      this.canvas.setAttribute("aria-label", `${this.children.size} children: ${states.join(", ")}. The table below lists them.`);
      this.showChips();
      const compare = ORDERS[this.order];
      const ranks = new Map([...this.children.values()].map((child) => [child, [this.ran(child), this.waited(child)]]));
      const known = { ran: (child) => ranks.get(child)[0], waited: (child) => ranks.get(child)[1] };
      this.shown = [...this.children.values()].filter((child) => this.fits(child)).sort((a, b) => compare(a, b, known));
      this.table.setAttribute("aria-rowcount", this.shown.length + 1);
      this.draw();
    }

    fits(child) {
      if (this.off.has(child.state)) return false;
      return !this.wanted || String(child.index) === this.wanted || (!/^\d+$/.test(this.wanted) && child.reason.toLowerCase().includes(this.wanted));
    }

    showChips() {
      const words = this.counts.map((count, place) => (count ? `${count} ${this.states[place]}` : ""));
      const mark = JSON.stringify([words, [...this.off]]);
      if (mark === this.chipsMark) return;
      this.chipsMark = mark;
      const focused = document.activeElement?.dataset?.state;
      this.chips.replaceChildren();
      words.forEach((word, place) => {
        if (!word) return;
        const state = this.states[place];
        const chip = make("button", { type: "button", class: `chip is-${state}`, "aria-pressed": this.off.has(place) ? "false" : "true", "data-state": state },
          make("span", { class: "sign", "aria-hidden": "true" }, SIGNS[state]), word);
        chip.addEventListener("click", () => {
          if (!this.off.delete(place)) this.off.add(place);
          this.arrange();
        });
        this.chips.append(chip);
        if (focused === state) chip.focus();
      });
    }

    // A second has gone by: what runs has run for longer.
    tick() {
      this.moment += 1;
      this.soon();
    }

    draw() {
      this.stale = true;
      this.soon();
    }

    soon() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        if (this.stale) {
          if (!this.single) this.drawGrid();
          this.measure();
          this.moment += 1;
        }
        this.stale = false;
        this.drawRows();
      });
    }

    // One picture for each state, drawn once and stamped for each child.
    stamps(size, ratio) {
      const style = getComputedStyle(document.documentElement);
      const mark = `${size} ${ratio} ${style.getPropertyValue("--failed")}`;
      if (this.stampsMark === mark) return this.pictures;
      this.stampsMark = mark;
      this.pictures = this.states.map((state) => {
        const picture = make("canvas");
        picture.width = picture.height = Math.round(size * ratio);
        const pen = picture.getContext("2d");
        pen.scale(ratio, ratio);
        const gap = size > 9 ? 1.5 : 1;
        const side = size - gap;
        const colour = style.getPropertyValue(`--${state}`).trim();
        pen.fillStyle = pen.strokeStyle = colour;
        if (state === "queued" || state === "interrupted") {
          pen.lineWidth = Math.max(1, side / 8);
          pen.strokeRect(pen.lineWidth / 2, pen.lineWidth / 2, side - pen.lineWidth, side - pen.lineWidth);
          if (state === "interrupted") pen.fillRect(side * 0.25, side * 0.42, side * 0.5, side * 0.16 + 0.5);
        } else if (state === "cached") {
          pen.globalAlpha = 0.45;
          pen.fillRect(0, 0, side, side);
          pen.globalAlpha = 1;
          pen.fillRect(0, side * 0.6, side, side * 0.4);
        } else if (state === "starting") {
          pen.fillRect(side * 0.22, side * 0.22, side * 0.56, side * 0.56);
        } else {
          pen.fillRect(0, 0, side, side);
          pen.fillStyle = pen.strokeStyle = style.getPropertyValue("--card").trim();
          pen.lineWidth = Math.max(1, side / 7);
          pen.beginPath();
          if (state === "failed") {
            pen.moveTo(side * 0.25, side * 0.25); pen.lineTo(side * 0.75, side * 0.75);
            pen.moveTo(side * 0.75, side * 0.25); pen.lineTo(side * 0.25, side * 0.75);
            pen.stroke();
          } else if (state === "running") {
            pen.moveTo(side * 0.33, side * 0.22); pen.lineTo(side * 0.8, side * 0.5); pen.lineTo(side * 0.33, side * 0.78);
            pen.fill();
          }
        }
        return picture;
      });
      return this.pictures;
    }

    drawGrid() {
      const width = this.grid.clientWidth - 12;
      if (width <= 0) return;
      const count = this.shown.length;
      let size = 22;
      while (size > 8 && Math.ceil(count / Math.floor(width / size)) * size > 190) size -= 1;
      const columns = Math.max(1, Math.floor(width / size));
      const height = Math.max(1, Math.ceil(count / columns)) * size;
      const ratio = Math.min(window.devicePixelRatio || 1, 2);
      this.cells = { size, columns };
      const canvas = this.canvas;
      const sized = [Math.round(columns * size * ratio), Math.round(height * ratio)];
      if (canvas.width !== sized[0] || canvas.height !== sized[1]) {
        [canvas.width, canvas.height] = sized;
        canvas.style.width = `${columns * size}px`;
        canvas.style.height = `${height}px`;
      }
      const pen = canvas.getContext("2d");
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, canvas.width, canvas.height);
      const pictures = this.stamps(size, ratio);
      const step = size * ratio;
      this.shown.forEach((child, place) => {
        pen.drawImage(pictures[child.state], Math.round((place % columns) * step), Math.round(Math.floor(place / columns) * step));
      });
      const chosen = this.shown.findIndex((child) => child.index === this.chosen);
      if (chosen >= 0) {
        pen.lineWidth = 2 * ratio;
        pen.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
        pen.strokeRect((chosen % columns) * step + ratio / 2, Math.floor(chosen / columns) * step + ratio / 2, step - 2 * ratio, step - 2 * ratio);
      }
    }

    under(event) {
      if (!this.cells) return undefined;
      const column = Math.floor(event.offsetX / this.cells.size);
      return column < this.cells.columns ? this.shown[Math.floor(event.offsetY / this.cells.size) * this.cells.columns + column] : undefined;
    }

    point(event) {
      const child = this.under(event);
      this.tip.textContent = child ? this.words(child) : "";
    }

    words(child) {
      const ran = this.ran(child);
      const parts = [`child ${child.index}`, this.states[child.state]];
      if (child.tries > 1) parts.push(`${child.tries} attempts`);
      if (ran >= 0) parts.push(duration(ran));
      if (child.reason) parts.push(child.reason);
      return parts.join(" · ");
    }

    // Sizes are asked for here and not while scrolling, where each question would make the browser lay out the page.
    measure() {
      const most = Math.max(1, this.shown.length) * ROW;
      const limit = parseFloat(getComputedStyle(this.body).maxHeight) || 340;
      this.high = Math.min(most, limit);
      this.space.style.height = `${most}px`;
      this.body.style.height = `${this.high}px`;
    }

    drawRows() {
      const count = this.shown.length;
      const top = this.body.scrollTop;
      const first = Math.max(0, Math.floor(top / ROW) - 4);
      const last = Math.min(count, Math.ceil((top + this.high) / ROW) + 4);
      while (this.pool.length < last - first) this.pool.push(this.row());
      const rows = new Map(this.pool.filter((row) => row.place >= first && row.place < last).map((row) => [row.place, row]));
      const free = this.pool.filter((row) => rows.get(row.place) !== row);
      for (const row of free) {
        row.element.remove();
        row.place = -1;
      }
      // The order in the document is the order on the screen: readers and the tab key follow it.
      let next = this.space.firstElementChild;
      for (let place = first; place < last; place += 1) {
        const row = rows.get(place) || free.pop();
        this.fill(row, place, this.shown[place]);
        if (row.element === next) next = next.nextElementSibling;
        else this.space.insertBefore(row.element, next);
      }
    }

    row() {
      const link = make("a");
      const state = make("span");
      const lane = shape("svg", { class: "lane", "aria-hidden": "true" });
      const [waited, ran, cpu, reason] = [make("span"), make("span"), make("span"), make("span")];
      const bar = shape("svg", { "aria-hidden": "true" });
      const used = make("span");
      const cells = [link, state, lane, waited, ran, make("span", { class: "memory" }, bar, used), cpu, reason]
        .map((content) => make("span", { role: "cell" }, content));
      const element = make("div", { class: "vrow", role: "row" }, ...cells);
      return { element, link, state, lane, waited, ran, bar, used, cpu, reason, place: -1 };
    }

    fill(row, place, child) {
      if (row.place === place && row.child === child && row.moment === this.moment) return;
      const name = this.states[child.state];
      Object.assign(row, { place, child, moment: this.moment });
      row.element.style.transform = `translateY(${place * ROW}px)`;
      row.element.dataset.index = child.index;
      row.element.setAttribute("aria-rowindex", place + 2);
      row.element.classList.toggle("chosen", child.index === this.chosen);
      const text = (element, words) => {
        if (element.textContent !== words) element.textContent = words;
      };
      text(row.link, String(child.index));
      row.link.setAttribute("href", this.served ? `${this.prefix}/${child.index}` : `${this.prefix}-${child.index}`);
      row.link.setAttribute("aria-label", `Child ${child.index}`);
      text(row.state, `${SIGNS[name]} ${name}`);
      row.state.className = `state is-${name}`;
      const ran = this.ran(child);
      text(row.waited, child.times.length ? duration(this.waited(child)) : "");
      text(row.ran, ran < 0 ? "" : duration(ran));
      const limit = this.data.memory;
      text(row.used, child.memory ? memory(child.memory) + (limit ? ` of ${memory(limit)}` : "") : "");
      row.bar.replaceChildren();
      row.bar.toggleAttribute("hidden", !child.memory || !limit);
      if (child.memory && limit) {
        const part = Math.min(100, (child.memory / limit) * 100);
        row.bar.append(shape("rect", { width: `${part}%`, height: "100%", class: part > 90 ? "fill-failed" : "fill-running" }));
      }
      text(row.cpu, child.cpu == null ? "" : duration(child.cpu));
      text(row.reason, [child.reason, child.tries > 1 ? `${child.tries} attempts` : ""].filter(Boolean).join(" · "));
      row.reason.title = child.reason;
      this.fillLane(row.lane, child, name);
    }

    fillLane(lane, child, name) {
      const now = this.now();
      const whole = Math.max(this.end, this.live ? now : 1);
      const part = (from, to, kind) => shape("rect", {
        x: `${(from / whole) * 100}%`, width: `${Math.max(0.3, ((to - from) / whole) * 100)}%`, y: kind === "waits" ? 5 : 1, height: kind === "waits" ? 4 : 12, rx: 1, class: kind,
      });
      const parts = [];
      child.times.forEach(([queued, started, stopped], place) => {
        const until = stopped ?? (this.live ? now : this.end);
        parts.push(part(queued, started ?? until, "waits"));
        if (started == null) return;
        const ended = place + 1 < child.times.length || name === "failed";
        parts.push(part(started, until, stopped == null ? "runs" : ended ? "fails" : name === "succeeded" ? "wins" : "runs"));
      });
      lane.replaceChildren(...parts);
    }

    key(event) {
      const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10, Home: -1e9, End: 1e9 };
      if (!(event.key in moves) || !this.shown.length) return;
      event.preventDefault();
      const row = event.target.closest(".vrow");
      const from = row ? this.pool.find((one) => one.element === row)?.place ?? -1 : -1;
      const to = Math.max(0, Math.min(this.shown.length - 1, from + moves[event.key]));
      if (to * ROW < this.body.scrollTop) this.body.scrollTop = to * ROW;
      if ((to + 1) * ROW > this.body.scrollTop + this.high) this.body.scrollTop = (to + 1) * ROW - this.high;
      this.drawRows();
      this.pool.find((one) => one.place === to)?.link.focus({ preventScroll: true });
    }

    async choose(index, quiet = false) {
      this.chosen = index;
      this.draw();
      const place = $(".child-place", this.place.parentElement);
      if (this.served) {
        if (!quiet) history.pushState({ index }, "", `${this.prefix}/${index}`);
        const answer = await fetch(`${this.prefix}/${index}?part=1`, { headers: { accept: "text/html" } });
        if (this.chosen !== index) return;
        if (!answer.ok) return place.replaceChildren(make("p", { class: "quiet" }, `The child cannot be shown: ${answer.status}.`));
        place.replaceChildren(parsed(await answer.text()));
      } else {
        const template = document.getElementById(`t${this.prefix.slice(1)}-${index}`);
        if (!quiet) history.replaceState(null, "", `${this.prefix}-${index}`);
        if (template) place.replaceChildren(template.content.cloneNode(true));
        else place.replaceChildren(make("p", { class: "quiet" }, `${this.words(this.children.get(index))}. This file has the logs of the failed and the slowest children only.`));
      }
      openLogs(place);
      const title = $("h3", place);
      if (title && !quiet) {
        title.focus({ preventScroll: true });
        place.scrollIntoView({ block: "nearest" });
      }
    }
  }

  // Markup of this page's own server.
  function parsed(markup) {
    const template = document.createElement("template");
    template.innerHTML = markup;
    return template.content;
  }

  function replacePart(id, markup) {
    const old = document.getElementById(id);
    if (!old) return;
    const part = parsed(markup).firstElementChild;
    for (const details of all("details[id]", old)) {
      const after = part.querySelector(`#${CSS.escape(details.id)}`);
      if (after) after.open = details.open;
    }
    const active = old.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    old.replaceWith(part);
    if (active) $(`a[href="${CSS.escape(active)}"]`, part)?.focus({ preventScroll: true });
    if (id === "runs") findRuns();
  }

  // ---- logs ----

  let tails = [];

  function openLogs(at) {
    for (const tail of tails) tail.close();
    tails = [];
    for (const log of all(".log", at)) {
      if (log.dataset.tail) follow(log);
      log.scrollTop = log.scrollHeight;
    }
  }

  function follow(log) {
    const tail = new EventSource(log.dataset.tail);
    tails.push(tail);
    tail.addEventListener("lines", (event) => {
      const stuck = $(".follow", log.parentElement)?.checked;
      if (!$(".line", log)) log.replaceChildren();
      log.append(parsed(JSON.parse(event.data)));
      while (log.childElementCount > 20000) log.firstElementChild.remove();
      if (stuck) log.scrollTop = log.scrollHeight;
      const find = $(".find-in-log", log.parentElement);
      if (find?.value) findInLog(find);
    });
    tail.addEventListener("end", () => tail.close());
  }

  function findInLog(input, step = 0) {
    const part = input.closest(".log-part");
    const wanted = input.value.toLowerCase();
    const hits = [];
    for (const line of all(".line", part)) {
      const hit = wanted !== "" && line.textContent.toLowerCase().includes(wanted);
      line.classList.toggle("hit", hit);
      if (hit) hits.push(line);
    }
    const before = hits.findIndex((line) => line.classList.contains("at"));
    all(".line.at", part).forEach((line) => line.classList.remove("at"));
    const at = hits.length ? (before < 0 ? 0 : (before + step + hits.length) % hits.length) : -1;
    if (at >= 0) {
      hits[at].classList.add("at");
      const log = $(".log", part);
      log.scrollTop = hits[at].offsetTop - log.offsetTop - log.clientHeight / 2;
      const box = $(".follow", part);
      if (box) box.checked = false;
    }
    $(".found", part).textContent = wanted === "" ? "" : hits.length ? `line ${at + 1} of ${hits.length}` : "not found";
  }

  document.addEventListener("input", (event) => {
    if (event.target.matches(".find-in-log")) findInLog(event.target);
    if (event.target.id === "find") findRuns();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches(".find-in-log")) findInLog(event.target, event.shiftKey ? -1 : 1);
    if (event.key === "/" && !/INPUT|SELECT|TEXTAREA/.test(document.activeElement.tagName)) {
      const find = $("#find") || $(".find-in-log") || $(".children input[type=search]");
      if (find) {
        event.preventDefault();
        find.focus();
      }
    }
  });

  function findRuns() {
    const wanted = ($("#find")?.value || "").trim().toLowerCase();
    for (const row of all("#runs tr[data-find]")) row.hidden = !wanted.split(/\s+/).every((word) => row.dataset.find.includes(word));
  }

  document.addEventListener("click", async (event) => {
    const copy = event.target.closest(".copy");
    if (copy) {
      try {
        await navigator.clipboard.writeText(copy.dataset.copy);
      } catch {
        const area = make("textarea", { "aria-hidden": "true" });
        area.value = copy.dataset.copy;
        document.body.append(area);
        area.select();
        document.execCommand("copy");
        area.remove();
      }
      copy.textContent = "Copied";
      setTimeout(() => (copy.textContent = "Copy"), 1500);
    }
    const choice = event.target.closest(".choice");
    if (choice) {
      const part = choice.closest(".log-part");
      const answer = await fetch(`${part.dataset.from}/part?attempt=${choice.dataset.attempt}`);
      if (answer.ok) {
        const place = part.parentElement;
        part.replaceWith(parsed(await answer.text()));
        openLogs(place);
      }
    }
  });

  // ---- theme ----

  const theme = $("#theme");
  const recall = () => {
    try {
      return localStorage.getItem("flyte-awsbatch-theme");
    } catch {
      return null;
    }
  };
  function setTheme(name) {
    if (name) document.documentElement.dataset.theme = name;
    arrays.forEach((one) => one.draw());
  }

  // ---- start ----

  const arrays = [];
  if (recall()) document.documentElement.dataset.theme = recall();
  for (const place of all(".children[data-block]")) arrays.push(new Children(place));
  if (theme) {
    theme.hidden = false;
    theme.addEventListener("click", () => {
      const dark = matchMedia("(prefers-color-scheme: dark)").matches;
      const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
      const next = now === "dark" ? "light" : "dark";
      try {
        localStorage.setItem("flyte-awsbatch-theme", next);
      } catch {
        // A page that may not remember changes all the same.
      }
      setTheme(next);
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTheme(null));
  }
  openLogs(document);
  setInterval(() => arrays.forEach((one) => one.live && one.tick()), 1000);

  function byHash() {
    for (const one of arrays) {
      const hash = location.hash;
      const rest = hash.startsWith(`${one.prefix}-`) ? hash.slice(one.prefix.length + 1) : "";
      if (!one.served && /^\d+$/.test(rest) && one.chosen !== Number(rest)) {
        one.choose(Number(rest));
        one.place.parentElement.scrollIntoView();
      }
    }
  }
  addEventListener("hashchange", byHash);
  byHash();

  const first = document.body.dataset.child;
  if (first && arrays.length) {
    arrays[0].chosen = Number(first);
    arrays[0].draw();
  }
  addEventListener("popstate", () => {
    for (const one of arrays) {
      const rest = location.pathname.startsWith(`${one.prefix}/`) ? location.pathname.slice(one.prefix.length + 1) : "";
      if (/^\d+$/.test(rest)) one.choose(Number(rest), true);
      else if (one.served) {
        one.chosen = null;
        one.draw();
        $(".child-place", one.place.parentElement)?.replaceChildren();
      }
    }
  });

  // ---- changes as they come ----

  const source = document.body.dataset.events;
  if (!source) return;
  const live = $("#live");
  let events = null;
  let lost = null;
  function open() {
    if (events) return;
    events = new EventSource(`${source}${source.includes("?") ? "&" : "?"}stamp=${encodeURIComponent(document.body.dataset.stamp || "")}`);
    events.addEventListener("open", () => {
      clearTimeout(lost);
      live.textContent = "live";
      live.classList.add("on");
    });
    events.addEventListener("part", (event) => {
      const { id, html } = JSON.parse(event.data);
      replacePart(id, html);
    });
    events.addEventListener("title", (event) => (document.title = JSON.parse(event.data)));
    events.addEventListener("stamp", (event) => (document.body.dataset.stamp = JSON.parse(event.data)));
    events.addEventListener("rows", (event) => {
      const message = JSON.parse(event.data);
      for (const one of arrays) {
        if (one.data.node === message.node && one.children.size === message.size) one.update(message);
        else if (one.data.node === message.node) location.reload();
      }
    });
    events.addEventListener("error", () => {
      live.classList.remove("on");
      live.textContent = "not live: no answer";
      // After a refusal the browser does not try again by itself.
      if (events.readyState === EventSource.CLOSED) {
        close();
        lost = setTimeout(open, 3000);
      }
    });
  }
  function close() {
    events?.close();
    events = null;
    live.classList.remove("on");
  }
  // A browser keeps few connections to one host: pages that nobody sees give theirs back.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", () => document.hidden || open());
  open();
})();
