// What keeps a person out: controls without a name, a grid whose parts do not say what they are, text too pale
// to read. Gives a list of sentences, empty where nothing was found.
(root) => {
  const found = [];
  const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  function rgba(colour) {
    brush.clearRect(0, 0, 1, 1);
    brush.fillStyle = colour;
    brush.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = brush.getImageData(0, 0, 1, 1).data;
    return { parts: [red, green, blue], alpha: alpha / 255 };
  }

  const over = (top, ground) => top.parts.map((part, at) => part * top.alpha + ground[at] * (1 - top.alpha));

  function ground(node) {
    const layers = [];
    for (let each = node; each; each = each.parentElement) {
      const layer = rgba(getComputedStyle(each).backgroundColor);
      if (layer.alpha) layers.push(layer);
      if (layer.alpha === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  }

  function light(parts) {
    const [red, green, blue] = parts.map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function contrast(node) {
    const below = ground(node);
    const [more, less] = [light(over(rgba(getComputedStyle(node).color), below)), light(below)].sort((a, b) => b - a);
    return (more + 0.05) / (less + 0.05);
  }

  const where = (node) => `${node.tagName.toLowerCase()}.${node.className} ${node.textContent.slice(0, 30)}`;

  for (const node of root.querySelectorAll("button, input, select, textarea")) {
    const name = node.getAttribute("aria-label") || node.labels?.[0]?.textContent || node.textContent;
    if (!name.trim()) found.push(`no name: ${where(node)}`);
  }
  for (const table of root.querySelectorAll("table")) {
    if (table.matches(".sheet")) {
      // A page to read, not a grid: every column has a heading.
      const heads = table.querySelectorAll("thead th[scope=col]").length;
      for (const row of table.querySelectorAll("tbody tr")) if (row.children.length !== heads) found.push("a column without a heading");
      continue;
    }
    if (table.getAttribute("role") !== "grid" || !table.getAttribute("aria-label")) found.push("a table is no named grid");
    for (const count of ["aria-rowcount", "aria-colcount"]) if (!table.getAttribute(count)) found.push(`no ${count}`);
    const reached = table.querySelectorAll('[tabindex="0"]').length;
    if (reached !== 1) found.push(`${reached} cells are reached by Tab`);
    const parents = { row: "rowgroup", gridcell: "row", rowheader: "row", columnheader: "row", rowgroup: "grid" };
    for (const node of table.querySelectorAll("thead, tbody, tr, th, td")) {
      const role = node.getAttribute("role");
      if (!parents[role]) found.push(`no role: ${where(node)}`);
      else if (node.parentElement.getAttribute("role") !== parents[role]) found.push(`${role} not in a ${parents[role]}`);
    }
    for (const cell of table.querySelectorAll("[role=gridcell], [role=rowheader], th.leaf")) {
      if (!cell.getAttribute("aria-colindex")) found.push(`no column: ${where(cell)}`);
    }
    for (const cell of table.querySelectorAll(".differs")) {
      if (!cell.querySelector(".sign[aria-label=differs]")) found.push(`colour alone: ${where(cell)}`);
    }
  }
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const visible = walker.currentNode.textContent.trim() && node.getClientRects().length && !node.closest(":disabled, option");
    if (visible && contrast(node) < 4.5) found.push(`contrast ${contrast(node).toFixed(2)}: ${where(node)}`);
  }
  return [...new Set(found)];
}
