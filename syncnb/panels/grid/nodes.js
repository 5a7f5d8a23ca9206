// What the grid is made with: nodes whose texts are always texts, and questions to Python with their answers.

const SLOW = 4000; // milliseconds after which a person is told that the kernel has not answered

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== null && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children); // strings become text nodes
  return node;
}

function letters(text) {
  let count = 0;
  for (const char of text) count += char.codePointAt(0) > 0x2e7f ? 2 : 1;
  return count;
}

function button(text, label) {
  return make("button", { type: "button", "aria-label": label, title: label }, text);
}

/** Questions to Python and their answers. */
function questions(model, slow) {
  const me = Math.random().toString(36).slice(2);
  const waiting = new Map();
  let count = 0;
  const hear = (reply) => {
    const settle = waiting.get(reply?.id);
    if (settle) settle(reply);
  };
  model.on("msg:custom", hear);
  return {
    ask(question) {
      const id = `${me}-${(count += 1)}`;
      return new Promise((resolve) => {
        const late = setTimeout(() => slow(true), SLOW);
        waiting.set(id, (reply) => {
          clearTimeout(late);
          waiting.delete(id);
          slow(false);
          resolve(reply);
        });
        try {
          model.send({ id, ...question });
        } catch {
          slow(true);
        }
      });
    },
    end: () => model.off("msg:custom", hear),
  };
}
