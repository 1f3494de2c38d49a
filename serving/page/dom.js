// Elements from data. Text goes in as text and never as HTML: a class may be called "<b>".

export const find = (id) => document.getElementById(id);

/** An element; attributes: true has no value, false and null are left out; so are children that are null. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value != null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

/** Terms and what is said of each: [["queue", "0.1 ms"], ...]. */
export function makeTerms(name, pairs) {
  return make("dl", { class: name }, ...pairs.map(([term, said]) =>
    make("div", {}, make("dt", {}, term), make("dd", {}, said))));
}
