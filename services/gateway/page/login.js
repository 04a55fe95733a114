// The dialog that logs in: with a key's secret, or by signing with its private key.

import { $, make, setText } from "./dom.js";
import { signer } from "./signing.js";

const WAYS = [["secret", "Secret"], ["private", "Private key"]];

export class Login {
  // onlogin: called once somebody has logged in.
  constructor(desk, onlogin) {
    Object.assign(this, { desk, onlogin });
    this.bytes = null; // of a chosen file
    this.form = make("form", { id: "login-form", method: "dialog", autocomplete: "off", onsubmit: (event) => this.submitted(event) },
      make("h2", {}, "Log in"),
      make("p", { class: "muted" }, "With a key of this desk. It is kept in this page's memory only."),
      this.row("Key", make("input", { name: "key_id", value: "demo", required: true, spellcheck: false })),
      make("div", { class: "types", role: "radiogroup", "aria-label": "With" }, ...WAYS.map(([value, text]) => this.way(value, text))),
      this.secretPart(),
      this.privatePart(),
      make("p", { id: "login-problem", class: "outcome bad", role: "alert" }),
      make("div", { class: "actions" },
        make("button", { class: "button", type: "button", id: "login-cancel", onclick: () => this.dialog.close() }, "Not now"),
        make("button", { class: "button primary", type: "submit", id: "login-submit" }, "Log in"),
      ),
    );
    this.dialog = make("dialog", { id: "login", "aria-label": "Log in", onclose: () => this.clear() }, this.form);
    document.body.append(this.dialog);
    this.show();
  }

  row(text, ...fields) {
    return make("label", { class: "row" }, make("span", {}, text), ...fields);
  }

  way(value, text) {
    const field = make("input", { type: "radio", name: "way", value, checked: value === "secret", onchange: () => this.show() });
    return make("label", {}, field, make("span", {}, text));
  }

  secretPart() {
    const hint = make("p", { class: "muted" }, make("code", {}, "make run"), " prints the demo key.");
    return make("div", { class: "part", id: "with-secret" }, this.row("Secret", make("input", { name: "secret", type: "password" })), hint);
  }

  privatePart() {
    const file = make("input", { type: "file", name: "file", id: "key-file", accept: ".pem,.key,.der,.p8", class: "sr", onchange: () => this.chosen() });
    return make("div", { class: "part", id: "with-private" },
      make("textarea", { name: "private_key", rows: 4, spellcheck: false, "aria-label": "Ed25519 private key", placeholder: "-----BEGIN PRIVATE KEY-----\nEd25519, PKCS #8, or 64 hexadecimal digits", oninput: () => this.forgetFile() }),
      make("div", { class: "file" }, make("label", { class: "button small" }, file, "Choose a file"), make("span", { id: "key-file-name", class: "muted" })),
      make("p", { class: "muted" }, "It signs in this page and goes nowhere, so the other page asks for it again."),
    );
  }

  get chosenWay() {
    return this.form.elements.way.value;
  }

  show() {
    $("with-secret").hidden = this.chosenWay !== "secret";
    $("with-private").hidden = this.chosenWay !== "private";
    setText($("login-problem"), "");
  }

  open() {
    setText($("login-problem"), "");
    this.dialog.showModal();
    this.form.elements[this.chosenWay === "secret" ? "secret" : "private_key"].focus();
  }

  async chosen() {
    const file = this.form.elements.file.files[0];
    if (!file) return;
    this.bytes = new Uint8Array(await file.arrayBuffer());
    this.form.elements.private_key.value = "";
    setText($("key-file-name"), file.name);
  }

  forgetFile() {
    this.bytes = null;
    this.form.elements.file.value = "";
    setText($("key-file-name"), "");
  }

  clear() {
    this.form.elements.secret.value = "";
    this.form.elements.private_key.value = "";
    this.forgetFile();
  }

  // What proves who we are: {key_id, secret} or {key_id, sign}.
  async key() {
    const { key_id, secret, private_key: pasted } = Object.fromEntries(new FormData(this.form));
    if (this.chosenWay === "secret") return { key_id: key_id.trim(), secret: secret.trim() };
    return { key_id: key_id.trim(), sign: await signer(this.bytes || new TextEncoder().encode(pasted.trim())) };
  }

  async submitted(event) {
    event.preventDefault();
    const button = $("login-submit");
    button.disabled = true;
    try {
      await this.desk.login(await this.key());
      this.dialog.close();
      this.onlogin();
    } catch (problem) {
      setText($("login-problem"), problem.message);
    } finally {
      button.disabled = false;
    }
  }
}
