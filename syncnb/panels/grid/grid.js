// The grid in the browser: it draws what Python sends and sends back what a person asks. No value is read, compared
// or written here, and every text enters the page as text, never as HTML.

const SIGNS = {
  d: ["≠", "differs"],
  l: ["◂", "only local"],
  r: ["▸", "only remote"],
  x: ["✎", "edited"],
  u: ["?", "open"],
};
const LOOKS = { n: "null", e: "null", a: "absent", d: "differs", s: "same", l: "local", r: "remote", x: "edited", u: "open" };
const KEYS = "Arrows move · Enter sorts a heading · Page Up, Page Down turn · Alt+Left, Alt+Right set the width";
const EDIT_KEYS = " · F2 edits · Space decides";

class Grid {
  constructor(model, home) {
    this.model = model;
    this.frame = model.get("frame");
    this.headings = this.frame.headings;
    this.at = { row: 0, column: 0 }; // row -1 is the heading
    this.widths = null;
    this.set = false; // whether somebody has set a width
    this.editor = null;
    this.rows = [];
    this.template = this.blank();
    this.asked = "";
    this.questions = questions(model, (late) => this.late(late));
    this.build(home);
    this.draw();
    this.onPage = () => {
      // What somebody is typing is not swept away by a page that comes late.
      if (!this.editor || this.editor.sent) this.draw();
    };
    model.on("change:page", this.onPage);
  }

  end() {
    this.model.off("change:page", this.onPage);
    this.questions.end();
  }

  get page() {
    return this.model.get("page");
  }

  // --- the parts that stay ---

  build(home) {
    const { frame } = this;
    this.root = make("div", { class: "syncnb-grid", "data-lm-suppress-shortcuts": "true" });
    this.table = make("table", { role: "grid", "aria-label": frame.title });
    this.columns = make("colgroup");
    this.head = make("thead", { role: "rowgroup" });
    this.body = make("tbody", { role: "rowgroup" });
    this.table.append(this.columns, this.head, this.body);
    this.scroller = make("div", { class: "scroller" }, this.table);
    this.about = make("dl", { class: "about", "aria-label": "The cell at length" });
    this.status = make("p", { class: "status", role: "status" });
    this.keys = make("p", { class: "keys" }, KEYS + (frame.decides ? EDIT_KEYS : ""));
    this.root.append(this.buildBar(), this.scroller, this.about, this.status, this.keys);
    this.buildHead();
    this.table.addEventListener("keydown", (event) => this.pressed(event));
    this.table.addEventListener("mousedown", (event) => this.clicked(event));
    this.table.addEventListener("dblclick", (event) => this.clicked(event, true));
    this.table.addEventListener("focusin", (event) => this.focused(event));
    home.append(this.root);
  }

  buildBar() {
    const { frame } = this;
    this.find = make("input", { type: "search", "aria-label": "Find text", placeholder: "find text, ∅ for NULL" });
    this.within = make("select", { "aria-label": "In which column" }, make("option", { value: "" }, "in any column"));
    this.headings.forEach((heading, at) => {
      if (heading.side === "local") this.within.append(make("option", { value: `${at},${at + 1}` }, `in ${heading.name}`));
      this.within.append(make("option", { value: at }, `in ${heading.name} ${heading.side}`.trim()));
    });
    this.choice = make("select", { "aria-label": `Which ${frame.word}` }, make("option", { value: "" }, `any ${frame.word}`));
    for (const word of frame.choices) this.choice.append(make("option", { value: word }, word));
    this.turns = [
      [button("«", "First page"), () => 1],
      [button("‹", "Previous page"), () => this.page.page - 1],
      [button("›", "Next page"), () => this.page.page + 1],
      [button("»", "Last page"), () => this.page.pages],
    ];
    this.where = make("span", { class: "where" });
    let wait;
    const filter = () => {
      clearTimeout(wait);
      this.filter();
    };
    this.find.addEventListener("input", () => {
      clearTimeout(wait);
      wait = setTimeout(filter, 250);
    });
    this.find.addEventListener("keydown", (event) => {
      if (event.key === "Enter") filter();
    });
    for (const select of [this.within, this.choice]) select.addEventListener("change", filter);
    for (const [press, page] of this.turns) press.addEventListener("click", () => this.turn(page()));
    const [first, before, after, last] = this.turns.map(([press]) => press);
    return make(
      "div",
      { class: "bar", role: "group", "aria-label": `${frame.title}: find and turn` },
      make("strong", {}, frame.title), this.find, this.within, this.choice, first, before, this.where, after, last,
    );
  }

  buildHead() {
    const groups = make("tr", { role: "row", "aria-rowindex": 1 });
    const leaves = make("tr", { role: "row", "aria-rowindex": 2 });
    this.leaves = this.headings.map((heading, at) => {
      const paired = heading.side !== "";
      const first = paired && this.headings[at - 1]?.name === heading.name && this.headings[at - 1].side !== "";
      if (paired && !first) {
        const name = make("span", { class: "name" }, heading.name);
        groups.append(make("th", { role: "columnheader", scope: "colgroup", colspan: 2, class: "group", title: heading.name }, name));
      }
      const leaf = make("th", {
        role: "columnheader", scope: "col", tabindex: -1, "aria-colindex": at + 1, "aria-sort": "none",
        rowspan: paired ? undefined : 2, class: `leaf ${heading.role} ${heading.side}`,
        "aria-label": `${heading.name} ${heading.side}`.trim(), title: [heading.name, heading.fact].filter(Boolean).join(": "),
      });
      const grip = make("span", { class: "grip", "aria-hidden": "true" });
      grip.addEventListener("pointerdown", (event) => this.drag(event, at));
      leaf.append(make("span", { class: "name" }, paired ? heading.side : heading.name), make("span", { class: "arrow" }), grip);
      (paired ? leaves : groups).append(leaf);
      return leaf;
    });
    // Where no column has two sides there is one row of headings: an empty second one would be read out too.
    this.heads = leaves.children.length ? 2 : 1;
    if (this.heads === 1) for (const leaf of this.leaves) leaf.removeAttribute("rowspan");
    this.head.append(groups, ...(this.heads === 2 ? [leaves] : []));
  }

  // --- the page ---

  draw() {
    const { page } = this;
    const held = this.body.contains(this.root.getRootNode().activeElement);
    this.editor = null;
    for (const cell of this.body.querySelectorAll(".editing, .refused")) cell.marks = null; // to be made anew
    while (this.rows.length > page.lines.length) this.rows.pop().remove();
    while (this.rows.length < page.lines.length) {
      this.rows.push(this.template.cloneNode(true));
      this.body.append(this.rows.at(-1));
    }
    page.lines.forEach((line, at) => this.fill(this.rows[at], line, at));
    this.table.setAttribute("aria-rowcount", page.matching + this.heads);
    this.table.setAttribute("aria-colcount", this.headings.length);
    this.leaves.forEach((leaf, at) => {
      const way = page.sort?.[0] === at ? (page.sort[1] ? "descending" : "ascending") : "none";
      leaf.setAttribute("aria-sort", way);
      leaf.querySelector(".arrow").textContent = { ascending: " ▲", descending: " ▼", none: "" }[way];
    });
    const ends = [page.page <= 1, page.page <= 1, page.page >= page.pages, page.page >= page.pages];
    this.turns.forEach(([press], at) => (press.disabled = ends[at]));
    this.where.textContent = `page ${page.page.toLocaleString("en")} of ${page.pages.toLocaleString("en")}`;
    const typing = this.root.getRootNode().activeElement === this.find;
    if (!typing) this.find.value = page.text;
    this.within.value = page.columns.join(",");
    this.choice.value = page.choice;
    this.say(this.counted());
    this.measure();
    this.at.row = Math.min(this.at.row, page.lines.length - 1);
    this.reach(held);
  }

  counted() {
    const { page } = this;
    const number = (value) => value.toLocaleString("en");
    const rows = page.matching
      ? `rows ${number(page.start + 1)} to ${number(page.start + page.lines.length)} of ${number(page.matching)}`
      : "no row matches";
    const of = page.matching < page.total ? `, from ${number(page.total)} in all` : "";
    return rows + of + (page.edited ? ` · ${number(page.edited)} decided here` : "");
  }

  /** A row without a text: all others are copies of it, and a page turn only changes their texts. */
  blank() {
    const cells = this.headings.map((heading, at) => {
      const key = heading.role === "key";
      const attributes = {
        role: key ? "rowheader" : "gridcell", scope: key ? "row" : undefined, tabindex: -1, "aria-colindex": at + 1,
        "aria-readonly": this.frame.decides && !key ? String(!heading.editable) : undefined,
      };
      return make(key ? "th" : "td", attributes, make("bdi", { class: "text" }));
    });
    return make("tr", { role: "row" }, ...cells);
  }

  fill(row, line, at) {
    row.className = line.state.replace(" ", "-");
    row.setAttribute("aria-rowindex", this.page.start + at + this.heads + 1);
    line.cells.forEach(([text, marks], column) => {
      const cell = row.children[column];
      if (cell.marks !== marks) this.mark(cell, marks, this.headings[column]);
      if (cell.words !== text) cell.querySelector(".text").textContent = cell.words = text;
    });
  }

  mark(cell, marks, heading) {
    const looks = [heading.role, heading.side, heading.number ? "number" : "", ...Array.from(marks, (mark) => LOOKS[mark])];
    cell.className = looks.filter(Boolean).join(" ");
    // A blank behind each sign, so that it is a word of its own for who hears it.
    const signs = [...marks].filter((mark) => SIGNS[mark]).flatMap((mark) => [
      make("span", { class: "sign", role: "img", "aria-label": SIGNS[mark][1] }, SIGNS[mark][0]), " ",
    ]);
    cell.replaceChildren(...signs, make("bdi", { class: "text" }));
    if (marks.includes("a")) cell.setAttribute("aria-label", "no such row");
    else cell.removeAttribute("aria-label");
    [cell.marks, cell.words] = [marks, ""];
  }

  /** Widths follow from the first page of what is looked at, and stay: a page turn must not move the columns. */
  measure() {
    const fresh = !this.widths || (this.page.page === 1 && !this.set);
    if (fresh) {
      const probe = make("span", { class: "probe" }, "0000000000");
      this.scroller.append(probe);
      const letter = probe.getBoundingClientRect().width / 10 || 8;
      probe.remove();
      this.widths = this.headings.map((heading, at) => {
        const longest = Math.max(...this.page.lines.map((line) => letters(line.cells[at][0]) + 2 * [...line.cells[at][1]].filter((mark) => SIGNS[mark]).length), 0);
        const name = heading.side ? Math.max(8, Math.ceil((heading.name.length + 2) / 2)) : letters(heading.name) + 3;
        const least = { before: 22, after: 22, reason: 16 }[heading.name] ?? 6;
        return Math.round(Math.min(Math.max(longest, name, least), heading.role === "key" ? 24 : 34) * letter + 18);
      });
    }
    if (fresh || this.rows.some((row) => !row.placed)) this.lay();
  }

  lay() {
    this.columns.replaceChildren(...this.widths.map((width) => make("col", { style: `width:${width}px` })));
    this.table.style.width = `${this.widths.reduce((sum, width) => sum + width, 0)}px`;
    const keys = this.headings.map((heading, at) => (heading.role === "key" ? this.widths[at] : 0));
    const room = this.scroller.clientWidth;
    const loose = room > 0 && keys.reduce((sum, width) => sum + width, 0) > 0.6 * room;
    this.root.classList.toggle("loose", loose); // no key stays in sight where it would cover the rest
    for (const row of this.rows) row.placed = true;
    keys.forEach((width, at) => {
      if (!width) return;
      const left = `${keys.slice(0, at).reduce((sum, each) => sum + each, 0)}px`;
      for (const cell of [this.leaves[at], ...this.rows.map((row) => row.children[at])]) cell.style.left = left;
    });
  }

  resize(at, width) {
    this.set = true;
    this.widths[at] = Math.max(36, Math.round(width));
    this.lay();
  }

  drag(event, at) {
    event.preventDefault();
    event.stopPropagation();
    const grip = event.currentTarget;
    const [start, width] = [event.clientX, this.widths[at]];
    grip.setPointerCapture(event.pointerId);
    const move = (moved) => this.resize(at, width + moved.clientX - start);
    grip.addEventListener("pointermove", move);
    grip.addEventListener("lostpointercapture", () => grip.removeEventListener("pointermove", move), { once: true });
  }

  // --- where one is ---

  cell(row = this.at.row, column = this.at.column) {
    return row < 0 ? this.leaves[column] : this.rows[row]?.children[column];
  }

  /** The one cell that Tab reaches; with `focus`, go there. */
  reach(focus) {
    for (const cell of this.table.querySelectorAll('[tabindex="0"]')) cell.setAttribute("tabindex", -1);
    const cell = this.cell() ?? this.leaves[this.at.column];
    cell.setAttribute("tabindex", 0);
    if (focus) cell.focus({ preventScroll: false });
  }

  move(row, column) {
    this.at = {
      row: Math.min(Math.max(row, -1), this.rows.length - 1),
      column: Math.min(Math.max(column, 0), this.headings.length - 1),
    };
    this.reach(true);
    this.cell().scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  place(node) {
    const cell = node.closest?.("th.leaf, tbody th, tbody td");
    if (!cell || !this.table.contains(cell)) return null;
    const row = this.rows.indexOf(cell.parentNode);
    return { row, column: row < 0 ? this.leaves.indexOf(cell) : Array.from(cell.parentNode.children).indexOf(cell) };
  }

  clicked(event, twice = false) {
    const place = this.place(event.target);
    if (!place || event.target.closest(".grip, .editor")) return;
    event.preventDefault();
    this.move(place.row, place.column);
    if (twice && place.row >= 0) this.edit();
    else if (!twice && place.row < 0) this.sort();
  }

  focused(event) {
    const place = this.place(event.target);
    if (!place || this.editor) return;
    this.at = place;
    this.reach(false);
    clearTimeout(this.look);
    if (place.row >= 0) this.look = setTimeout(() => this.tell(), 80);
  }

  pressed(event) {
    if (this.editor) return;
    const { row, column } = this.at;
    const step = Math.max(1, this.widths[column] * 0.15);
    const moves = {
      ArrowUp: () => this.move(row - 1, column),
      ArrowDown: () => this.move(row + 1, column),
      ArrowLeft: () => (event.altKey ? this.resize(column, this.widths[column] - step) : this.move(row, column - 1)),
      ArrowRight: () => (event.altKey ? this.resize(column, this.widths[column] + step) : this.move(row, column + 1)),
      Home: () => this.move(event.ctrlKey ? 0 : row, 0),
      End: () => this.move(event.ctrlKey ? this.rows.length - 1 : row, this.headings.length - 1),
      PageUp: () => this.turn(this.page.page - 1),
      PageDown: () => this.turn(this.page.page + 1),
      Enter: () => (row < 0 ? this.sort() : this.edit()),
      F2: () => row >= 0 && this.edit(),
      " ": () => (row < 0 ? this.sort() : this.decide()),
    };
    if (!moves[event.key] || event.metaKey) return;
    event.preventDefault();
    event.stopPropagation();
    moves[event.key]();
  }

  // --- what is asked ---

  async ask(question) {
    const reply = await this.questions.ask(question);
    if (reply.refused) this.say(`${reply.refused} (${reply.hint})`, true);
    return reply;
  }

  sort() {
    const at = this.at.column;
    const now = this.page.sort?.[0] === at ? this.page.sort[1] : null;
    this.ask({ do: "sort", at: now === true ? null : at, descending: now === false });
  }

  filter() {
    const columns = this.within.value === "" ? [] : this.within.value.split(",").map(Number);
    this.ask({ do: "filter", text: this.find.value, columns, choice: this.choice.value });
  }

  turn(page) {
    if (page >= 1 && page <= this.page.pages) this.ask({ do: "turn", page });
  }

  async decide() {
    const cell = this.cell();
    const reply = await this.ask({ do: "decide", line: this.page.lines[this.at.row].at });
    if (reply.refused) cell.classList.add("refused");
  }

  async tell() {
    const line = this.page.lines[this.at.row];
    if (!line) return;
    const asked = (this.asked = `${line.at} ${this.at.column}`);
    const reply = await this.questions.ask({ do: "about", line: line.at, at: this.at.column });
    if (asked !== this.asked || !reply.about) return; // one has moved on
    this.about.replaceChildren(
      ...reply.about.filter(([, text]) => text).map(([label, text]) =>
        make("div", { class: label || "place" }, make("dt", {}, label || "cell"), make("dd", {}, make("bdi", {}, text)))),
    );
  }

  // --- editing ---

  async edit() {
    const cell = this.cell();
    const question = { line: this.page.lines[this.at.row].at, at: this.at.column };
    const reply = await this.ask({ do: "begin", ...question });
    if (this.editor || !cell.isConnected) return;
    if (reply.refused) {
      cell.classList.add("refused");
      return;
    }
    this.open(cell, question, reply.text);
  }

  open(cell, question, text) {
    const heading = this.headings[question.at];
    this.editor = new Editor(cell, {
      text,
      label: `New ${heading.name}`,
      nullable: heading.role === "after", // a reason is never NULL
      send: (typed) => this.questions.ask({ do: "set", ...question, text: typed }),
      closed: () => {
        this.editor = null;
        this.draw();
        this.reach(true);
      },
    });
  }

  // --- what is said ---

  say(text, bad = false) {
    this.status.textContent = text;
    this.status.classList.toggle("bad", bad);
  }

  late(late) {
    this.table.setAttribute("aria-busy", String(late));
    if (late) this.say("The kernel has not answered yet. It may be busy; if it is gone, run the cell again.", true);
    else if (this.status.textContent.startsWith("The kernel")) this.say(this.counted());
  }
}

export default {
  render({ model, el }) {
    const grid = new Grid(model, el);
    return () => grid.end();
  },
};
