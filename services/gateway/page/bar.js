// What every page of the desk has: connection, health, logging in, and links to the other pages.

import { $, make, setClass, setText } from "./dom.js";
import { Login } from "./login.js";

const HEALTH_MS = 2000;

export class Bar {
  // onkey: somebody logged in; onlogin: whether somebody is, now and then; onlogout; onprocesses.
  constructor(desk, { onkey, onlogin, onlogout, onprocesses }) {
    Object.assign(this, { desk, onkey, onlogin, onlogout, onprocesses });
    document.querySelector(".bar-end").append(...this.parts());
    this.login = new Login(desk, () => {
      this.showLogin(true);
      this.onkey();
    });
    for (const link of document.querySelectorAll(".pages a, .brand")) {
      link.addEventListener("click", (event) => {
        if (!(event.ctrlKey || event.metaKey || event.shiftKey)) desk.carryKey();
      });
    }
    setInterval(() => this.lookAtHealth(), HEALTH_MS);
    if (desk.key) onkey();
  }

  parts() {
    const dot = () => make("i", { class: "dot" });
    return [
      make("button", { id: "health-button", class: "pill", type: "button", title: "Health of the desk's processes" }, dot(), make("span", {}, "desk")),
      make("span", { id: "connection", class: "pill", role: "status" }, dot(), make("span", {}, "connecting")),
      make("a", { class: "quiet", href: "/api/v1/docs" }, "API"),
      make("button", { id: "login-button", class: "button", type: "button", onclick: () => this.pressed() }, "Log in"),
    ];
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
    this.login.open();
  }

  pressed() {
    if (!this.desk.key) {
      this.openLogin();
      return;
    }
    this.onlogout();
    this.desk.logout();
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
