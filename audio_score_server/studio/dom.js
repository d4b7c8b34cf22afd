// @ts-check
/** Making elements: no markup in strings, so nothing that a clip's text says can become markup. */

const SVG = "http://www.w3.org/2000/svg";
const SVG_TAGS = new Set(["svg", "path", "circle", "g", "rect"]);

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, any>} Properties
 */

/**
 * An element with attributes, listeners (`onClick`) and children.
 *
 * @param {string} tag
 * @param {Properties} [properties] attributes; `true` and `false` switch them, `null` leaves them out
 * @param {...(Child | Child[])} children
 * @returns {any} the element; typed loosely since `tag` says which
 */
export function h(tag, properties = {}, ...children) {
  const element = SVG_TAGS.has(tag)
    ? document.createElementNS(SVG, tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) set(element, name, value);
  element.append(...nodes(children));
  return element;
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value
 */
function set(element, name, value) {
  if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
  else if (typeof value === "boolean" && !name.startsWith("aria-")) {
    element.toggleAttribute(name, value);
  } else if (value !== null && value !== undefined) element.setAttribute(name, String(value));
}

/**
 * @param {(Child | Child[])[]} children
 * @returns {(Node | string)[]}
 */
function nodes(children) {
  return children
    .flat()
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * Put other children in place of those that are there.
 *
 * @param {Element} parent
 * @param {...(Child | Child[])} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
}

/**
 * An element of the page that is there from the start.
 *
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`The page lacks #${id}.`);
  return element;
}

/**
 * Have screen readers say something.
 *
 * @param {string} text
 */
export function say(text) {
  byId("live").textContent = text;
}
