// One line that says what is going on, and how far it is. It stays in the page, so that it is read out when it changes.

export default {
  render({ model, el }) {
    const line = document.createElement("p");
    line.className = "says";
    line.setAttribute("role", "status");
    const far = document.createElement("progress");
    far.setAttribute("aria-label", "How far it is");
    el.append(line, far);
    const draw = () => {
      const { text, bad, busy, done, total } = model.get("said");
      line.textContent = text;
      line.classList.toggle("bad", Boolean(bad));
      far.hidden = !busy;
      if (total) {
        far.max = total;
        far.value = Math.min(done, total);
      } else {
        far.removeAttribute("value");
      }
    };
    model.on("change:said", draw);
    draw();
    return () => model.off("change:said", draw);
  },
};
