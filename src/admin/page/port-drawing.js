/**
 * How a port is drawn: each state has a shape as well as a colour, so that it can be told apart
 * without seeing colours.
 */

/** @typedef {import("./words.js").PortLetter} PortLetter */

const SMALL_PX = 10;

/**
 * @typedef {object} Ink The page's colours at this moment.
 * @property {string} surface
 * @property {string} idle
 * @property {string} reserved
 * @property {string} occupied
 * @property {string} blocked
 * @property {string} leaving
 * @property {string} text
 * @property {string} on_fill
 */

/**
 * @param {Element} element
 * @returns {Ink}
 */
export function inkOf(element) {
  const style = getComputedStyle(element);
  const colour = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  return {
    surface: colour("surface"),
    idle: colour("port-idle"),
    reserved: colour("port-reserved"),
    occupied: colour("port-occupied"),
    blocked: colour("port-blocked"),
    leaving: colour("port-leaving"),
    text: colour("text"),
    on_fill: colour("on-fill"),
  };
}

/**
 * Idle is an outline, or a dot where it is small, reserved half of a fill, occupied a fill, blocked a cross in a fill and leaving
 * a broken outline around a bar.
 * @param {CanvasRenderingContext2D} context
 * @param {{ x: number, y: number, width: number, height: number }} box
 * @param {PortLetter} letter
 * @param {Ink} ink
 */
export function drawPort(context, { x, y, width, height }, letter, ink) {
  const line = Math.min(width, height) > 9 ? 1.5 : 1;
  context.lineWidth = line;
  context.setLineDash([]);
  switch (letter) {
    case "o":
      context.fillStyle = ink.occupied;
      context.fillRect(x, y, width, height);
      return;
    case "r":
      context.fillStyle = ink.reserved;
      context.beginPath();
      context.moveTo(x, y + height);
      context.lineTo(x + width, y + height);
      context.lineTo(x + width, y);
      context.fill();
      outline(ink.reserved);
      return;
    case "b":
      context.fillStyle = ink.blocked;
      context.fillRect(x, y, width, height);
      cross(ink.on_fill);
      return;
    case "l":
      context.fillStyle = ink.leaving;
      context.fillRect(x, y + height * 0.7, width, height * 0.3);
      context.setLineDash([2, 2]);
      outline(ink.leaving);
      context.setLineDash([]);
      return;
    default:
      if (Math.min(width, height) >= SMALL_PX) return outline(ink.idle);
      // Thousands of outlines would drown what is to be seen among them.
      context.fillStyle = ink.idle;
      context.fillRect(x + width / 2 - 1, y + height / 2 - 1, 2, 2);
  }

  /** @param {string} colour */
  function outline(colour) {
    context.strokeStyle = colour;
    context.strokeRect(x + line / 2, y + line / 2, width - line, height - line);
  }

  /** @param {string} colour */
  function cross(colour) {
    const inset = Math.min(width, height) * 0.22;
    const [cx, cy, half] = [x + width / 2, y + height / 2, Math.min(width, height) / 2 - inset];
    context.strokeStyle = colour;
    context.beginPath();
    context.moveTo(cx - half, cy - half);
    context.lineTo(cx + half, cy + half);
    context.moveTo(cx + half, cy - half);
    context.lineTo(cx - half, cy + half);
    context.stroke();
  }
}

/**
 * A canvas with as many pixels as the screen has for it, drawn in CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function prepare(canvas, width, height) {
  const scale = globalThis.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
