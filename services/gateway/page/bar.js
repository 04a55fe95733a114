// What every page of the desk has: connection, health, logging in, and links to the other pages.

import { $, setClass, setText } from "./dom.js";

const HEALTH_MS = 2000;

export class Bar {
  // onkey: somebody logged in; onlogin: whether somebody is, now and then; onlogout; onprocesses.
  constructor(desk, { onkey, onlogin, onlogout, onprocesses }) {
    Object.assign(this, { desk, onkey, onlogin, onlogout, onprocesses });
    $("login-cancel").addEventListener("click", () => $("login").close());
    $("login-button").addEventListener("click", () => this.pressed());
    $("login-form").addEventListener("submit", (event) => this.submitted(event));
    for (const link of document.querySelectorAll(".pages a, .brand")) {
      link.addEventListener("click", (event) => {
        if (!(event.ctrlKey || event.metaKey || event.shiftKey)) desk.carryKey();
      });
    }
    setInterval(() => this.lookAtHealth(), HEALTH_MS);
    if (desk.key) onkey();
  }

  status(state, isLoggedIn) {
    setClass($("connection"), "pill " + (state === "live" ? "good" : "bad"));
    setText($("connection").lastChild, state);
    this.showLogin(isLoggedIn);
    if (state === "live") this.lookAtHealth();
  }

  showLogin(isLoggedIn) {
    setText($("login-button"), isLoggedIn ? `${this.desk.key.key_id} · log out` : "Log in");
    this.onlogin(isLoggedIn);
  }

  openLogin() {
    setText($("login-problem"), "");
    $("login").showModal();
    $("login-form").elements.secret.focus();
  }

  pressed() {
    if (!this.desk.key) {
      this.openLogin();
      return;
    }
    this.onlogout();
    this.desk.logout();
  }

  async submitted(event) {
    event.preventDefault();
    const { key_id, secret } = Object.fromEntries(new FormData(event.target));
    try {
      await this.desk.login(key_id.trim(), secret.trim());
      event.target.elements.secret.value = "";
      $("login").close();
      this.showLogin(true);
      this.onkey();
    } catch (problem) {
      setText($("login-problem"), problem.message);
    }
  }

  async lookAtHealth() {
    if (!this.desk.isOpen || document.hidden) return;
    try {
      const answer = await this.desk.call("health");
      this.onprocesses(answer.processes);
      const sick = answer.processes.filter((row) => !row.healthy);
      setClass($("health-button"), "pill " + (sick.length ? "bad" : "good"));
      setText($("health-button").lastChild, sick.length ? `${sick.length} not ready` : `${answer.processes.length} healthy`);
    } catch {
      setClass($("health-button"), "pill");
    }
  }
}
