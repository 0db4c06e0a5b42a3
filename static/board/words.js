// What the scripts say, translated by the server: templates/dashboard/_words.html.

const words = new Map();
for (const word of document.getElementById("words").content.querySelectorAll("[data-word]")) {
  words.set(word.dataset.word, word);
}

/** The text of a word, with its {placeholders} filled in. */
export function say(name, values = {}) {
  return fill(words.get(name).textContent, values);
}

/** A fresh element, with the {placeholders} of its texts filled in. */
export function element(name, values = {}) {
  const copy = words.get(name).cloneNode(true);
  copy.removeAttribute("data-word");
  const texts = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) texts.currentNode.data = fill(texts.currentNode.data, values);
  return copy;
}

function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}
