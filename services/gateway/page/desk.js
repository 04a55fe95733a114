// The connection to the gateway: JSON-RPC 2.0 over one WebSocket that comes back by itself.

const CARRIED = "crossdesk-key";

// The key that the page before handed over. It is in the tab's storage for that moment only.
function carriedKey() {
  const text = sessionStorage.getItem(CARRIED);
  sessionStorage.removeItem(CARRIED);
  return text ? JSON.parse(text) : null;
}

export class CallError extends Error {
  constructor(error) {
    super(error.message);
    this.reason = error.data?.reason || "";
    this.field = error.data?.field || "";
    this.candidates = error.data?.candidates || [];
  }
}

export class Desk {
  constructor() {
    this.channels = new Map(); // name: what takes its data
    this.waiting = new Map(); // id of a call: {resolve, reject}
    this.key = carriedKey();
    this.id = 0;
    this.delay = 250;
    this.onstatus = () => {};
    this.connect();
  }

  connect() {
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    this.socket = new WebSocket(`${scheme}//${location.host}/ws`);
    this.socket.onopen = () => this.opened();
    this.socket.onmessage = (event) => this.received(JSON.parse(event.data));
    this.socket.onclose = (event) => this.closed(event);
  }

  get isOpen() {
    return this.socket.readyState === WebSocket.OPEN;
  }

  async opened() {
    this.delay = 250;
    if (this.key) {
      try {
        await this.prove(this.key);
      } catch (error) {
        if (error.reason === "CLOSED") return; // the next connection tries again
        this.key = null;
      }
    }
    this.onstatus("live", Boolean(this.key));
    if (this.channels.size) this.ask([...this.channels.keys()]);
  }

  closed(event) {
    for (const { reject } of this.waiting.values()) {
      reject(new CallError({ message: "the connection was lost", data: { reason: "CLOSED" } }));
    }
    this.waiting.clear();
    this.onstatus("offline", false, event.reason);
    setTimeout(() => this.connect(), this.delay * (0.75 + Math.random() / 2));
    this.delay = Math.min(5000, this.delay * 2);
  }

  received(message) {
    if (message.method === "subscription") {
      const take = this.channels.get(message.params.channel);
      if (take) take(message.params.data);
      return;
    }
    const call = this.waiting.get(message.id);
    if (!call) return;
    this.waiting.delete(message.id);
    if (message.error) call.reject(new CallError(message.error));
    else call.resolve(message.result);
  }

  call(method, params = {}) {
    return new Promise((resolve, reject) => {
      if (!this.isOpen) {
        reject(new CallError({ message: "not connected", data: { reason: "CLOSED" } }));
        return;
      }
      const id = ++this.id;
      this.waiting.set(id, { resolve, reject });
      this.socket.send(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    });
  }

  // key: {key_id, secret}, or {key_id, sign} with what signs a text.
  async login(key) {
    const answer = await this.prove(key);
    this.key = key;
    return answer;
  }

  // What is signed names the host that this page talks to, so that it is worth nothing elsewhere.
  async prove({ key_id, secret, sign }) {
    if (!sign) return this.call("auth", { key_id, secret });
    const { nonce } = await this.call("auth.challenge", { key_id });
    return this.call("auth", { key_id, signature: await sign(`${nonce}|${key_id}|${location.host}`) });
  }

  // To be called when a link leads to another page of the desk in this tab. A private key stays.
  carryKey() {
    if (this.key?.secret) sessionStorage.setItem(CARRIED, JSON.stringify(this.key));
  }

  logout() {
    this.key = null;
    this.socket.close();
  }

  // Take the data of a channel, by its full name, from now on.
  subscribe(name, take) {
    this.channels.set(name, take);
    if (this.isOpen) this.ask([name]);
  }

  unsubscribe(name) {
    if (this.channels.delete(name) && this.isOpen) {
      this.call("unsubscribe", { channels: [name] }).catch(() => {});
    }
  }

  // A channel that was asked for already begins again with a snapshot.
  ask(names) {
    this.call("subscribe", { channels: names }).catch(() => {});
  }
}
