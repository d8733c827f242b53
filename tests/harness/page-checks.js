/**
 * Looks at a page as a reader with less sight, or without a mouse, would need it. It is run inside the
 * page by the tests, as text; each function answers with a line per fault.
 */

/** What a computed colour is: red, green and blue from 0 to 255, and alpha. */
function channels(colour) {
  const canvas = channels.canvas ??= new OffscreenCanvas(1, 1).getContext("2d");
  canvas.clearRect(0, 0, 1, 1);
  canvas.fillStyle = colour;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha / 255];
}

function over([red, green, blue, alpha], [r, g, b]) {
  const mix = (top, below) => top * alpha + below * (1 - alpha);
  return [mix(red, r), mix(green, g), mix(blue, b), 1];
}

/** WCAG's relative luminance. */
function luminance([red, green, blue]) {
  const [r, g, b] = [red, green, blue].map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function contrast(one, other) {
  const [a, b] = [luminance(one), luminance(other)].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}

/** What is behind an element's text: all grounds up to the first that hides what is below. */
function groundOf(element) {
  const layers = [];
  for (let at = element; at !== null; at = at.parentElement) {
    const colour = channels(getComputedStyle(at).backgroundColor);
    layers.push(colour);
    if (colour[3] === 1) break;
  }
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
}

/** What everything around it lets through of an element. */
function opacityOf(element) {
  let opacity = 1;
  for (let at = element; at !== null; at = at.parentElement) {
    opacity *= Number(getComputedStyle(at).opacity);
  }
  return opacity;
}

function isVisible(element) {
  return element.checkVisibility({ visibilityProperty: true }) &&
    element.getClientRects().length > 0 && element.closest(".visually-hidden") === null;
}

function shortName(element) {
  const text = element.textContent.trim().slice(0, 30);
  return `<${element.localName} id="${element.id}" class="${element.className}"> ${text}`;
}

/** Text that stands out too little: below 4.5:1, or 3:1 where it is large. */
globalThis.contrastFaults = () => {
  const faults = new Set();
  let looked_at = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (walker.currentNode.data.trim() === "" || !isVisible(element)) continue;
    if (element.matches(":disabled, :disabled *, option")) continue;
    const style = getComputedStyle(element);
    const ground = groundOf(element);
    const is_svg = element instanceof SVGElement;
    const [red, green, blue, alpha] = channels(is_svg ? style.fill : style.color);
    const ink = over([red, green, blue, alpha * opacityOf(element)], ground);
    const ratio = contrast(ink, ground);
    const px = Number.parseFloat(style.fontSize);
    const is_large = px >= 24 || (px >= 18.66 && Number(style.fontWeight) >= 700);
    looked_at++;
    if (ratio < (is_large ? 3 : 4.5)) faults.add(`${ratio.toFixed(2)}: ${shortName(element)}`);
  }
  return { faults: [...faults], looked_at };
};

/** Controls without a name, headings that skip a level, tables and dialogs without what they need. */
globalThis.structureFaults = () => {
  const faults = [];
  const all = (selector) => [...document.querySelectorAll(selector)];
  const expect = (holds, words, element) => holds || faults.push(`${words}: ${shortName(element)}`);
  expect(document.documentElement.lang !== "", "no language", document.documentElement);
  expect(document.title !== "", "no title", document.head);
  for (const landmark of ["main", "nav", "header", "h1"]) {
    if (all(landmark).length !== 1) faults.push(`${all(landmark).length} of <${landmark}>`);
  }
  for (const control of all("button, input, select, textarea, a, summary, [role=slider]")) {
    if (!isVisible(control)) continue;
    expect(nameOf(control) !== "", "no name", control);
    expect(control.tabIndex <= 0, "a tabindex of its own", control);
  }
  let level = 0;
  for (const heading of all("h1, h2, h3, h4")) {
    if (!isVisible(heading) || heading.closest("dialog") !== null) continue;
    const own = Number(heading.localName[1]);
    expect(own <= level + 1, "a level is skipped", heading);
    level = own;
  }
  for (const table of all("table")) {
    expect(table.ariaLabel !== null, "no name", table);
    const heads = table.querySelectorAll("th[scope=col]").length;
    for (const row of table.tBodies[0].rows) expect(row.cells.length === heads, "cells", row);
  }
  for (const dialog of all("dialog[open]")) expect(nameOf(dialog) !== "", "no name", dialog);
  const ids = all("[id]").map(({ id }) => id);
  if (new Set(ids).size !== ids.length) faults.push("an id stands twice");
  for (const slider of all("[role=slider]")) {
    const { ariaValueNow: now, ariaValueMin: min, ariaValueMax: max, ariaValueText } = slider;
    expect(Number(min) <= Number(now) && Number(now) <= Number(max), "value", slider);
    expect(ariaValueText !== null && ariaValueText !== "", "no words", slider);
  }
  return faults;
};

function nameOf(element) {
  const by = element.getAttribute("aria-labelledby");
  if (by !== null) return document.getElementById(by)?.textContent.trim() ?? "";
  const label = [...element.labels ?? []].map(({ textContent }) => textContent).join(" ");
  return (element.ariaLabel ?? (label || element.textContent)).trim();
}

/** Elements that stick out of the page at the right, and targets too small for a finger. */
globalThis.narrowFaults = () => {
  const faults = [];
  const { scrollWidth, clientWidth } = document.documentElement;
  if (scrollWidth > clientWidth) faults.push(`the page is ${scrollWidth} of ${clientWidth} wide`);
  for (const wrap of document.querySelectorAll(".table-wrap")) {
    const { scrollWidth: wide, clientWidth: room } = wrap;
    if (wide > room) faults.push(`a table is ${wide} of ${room} wide: ${shortName(wrap)}`);
  }
  for (const element of document.querySelectorAll("body *")) {
    if (!isVisible(element)) continue;
    const { right, width, height } = element.getBoundingClientRect();
    if (right > clientWidth + 0.5) faults.push(`sticks out to ${right}: ${shortName(element)}`);
    if (!element.matches("button, select, input:not([type=radio], [type=checkbox])")) continue;
    const is_in_text = element.matches(".sort");
    if (!is_in_text && (height < 24 || width < 24)) faults.push(`small: ${shortName(element)}`);
  }
  return faults;
};

/** Elements that move although the reader wants no motion. */
globalThis.motionFaults = () =>
  [document.documentElement, ...document.querySelectorAll("body, body *")].filter((element) => {
    const { transitionDuration, animationName, scrollBehavior } = getComputedStyle(element);
    const moves = transitionDuration.split(", ").some((time) => Number.parseFloat(time) > 0);
    return moves || animationName !== "none" || scrollBehavior === "smooth";
  }).map(shortName);
