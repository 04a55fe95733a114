// A few words of which one is chosen.

import { make, setText } from "./dom.js";

export class Choice {
  constructor(box, words, onchoose) {
    this.box = box;
    this.onchoose = onchoose;
    this.words = [];
    this.chosen = words[0]?.[0] ?? null;
    this.offer(words);
    box.addEventListener("keydown", (event) => this.moved(event));
  }

  // words: [value, text] each. What was chosen stays so while it is offered.
  offer(words) {
    if (!words.some(([value]) => value === this.chosen)) this.chosen = words[0]?.[0] ?? null;
    if (JSON.stringify(words) !== JSON.stringify(this.words)) {
      this.words = words;
      this.box.replaceChildren(...words.map(([value, text]) => make("button", { type: "button", role: "radio", value, onclick: () => this.choose(value) }, text)));
    }
    this.mark();
  }

  mark() {
    for (const node of this.box.children) {
      const isChosen = node.value === this.chosen;
      node.setAttribute("aria-checked", String(isChosen));
      node.tabIndex = isChosen ? 0 : -1;
    }
  }

  label(value, text) {
    const node = [...this.box.children].find((each) => each.value === value);
    if (node) setText(node, text);
  }

  choose(value) {
    this.chosen = value;
    this.mark();
    this.onchoose(value);
  }

  moved(event) {
    const move = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!move || !this.words.length) return;
    const at = this.words.findIndex(([value]) => value === this.chosen);
    const next = (at + move + this.words.length) % this.words.length;
    this.choose(this.words[next][0]);
    this.box.children[next].focus();
  }
}
