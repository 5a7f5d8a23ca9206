// A text field in a cell. What is typed is read in Python; what Python refuses stays, with the reason beneath it.

class Editor {
  /** wish: text to begin with (null: NULL), label, nullable, send(text) to Python, closed() when it is gone. */
  constructor(cell, wish) {
    this.sent = false;
    this.wish = wish;
    this.input = make("textarea", { rows: 1, spellcheck: "false", "aria-label": wish.label });
    this.input.value = wish.text ?? "";
    this.input.placeholder = wish.text === null ? "NULL" : "";
    this.first = this.input.value;
    this.reason = make("p", { class: "reason", role: "alert", id: `reason-${Math.random().toString(36).slice(2)}` });
    const nothing = button("NULL", "Set NULL");
    nothing.addEventListener("click", () => this.send(null));
    const field = make("div", { class: "editor" }, this.input, ...(wish.nullable ? [nothing] : []), this.reason);
    this.input.addEventListener("input", () => (this.typed = true));
    field.addEventListener("keydown", (event) => this.pressed(event));
    cell.classList.add("editing");
    cell.replaceChildren(field);
    this.input.focus();
    this.input.select();
  }

  pressed(event) {
    event.stopPropagation(); // no key here means anything to the grid or to the notebook
    const enter = event.key === "Enter" && event.target === this.input && !event.shiftKey && !event.isComposing;
    if (event.key !== "Escape" && !enter) return;
    event.preventDefault();
    // A text that nobody touched is not sent: what a text field does to it must not count as an edit.
    const touched = this.input.value !== this.first || (this.wish.text === null && this.typed);
    if (enter && touched) this.send(this.input.value);
    else this.close();
  }

  close() {
    this.wish.closed(); // which draws the page
  }

  async send(text) {
    this.sent = true; // the page that comes now may take this field's place
    const reply = await this.wish.send(text);
    if (!reply.refused) return;
    this.sent = false;
    this.reason.textContent = `${reply.refused} (${reply.hint})`;
    this.input.setAttribute("aria-invalid", "true");
    this.input.setAttribute("aria-describedby", this.reason.id);
    this.input.focus();
  }
}
