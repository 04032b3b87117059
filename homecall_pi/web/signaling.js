// One line to the server that repairs itself, and stays joined to the room.

import { delayMs } from "./backoff.js";

// The server closes an old connection with this code when the same name joins anew.
const REPLACED = 4001;
const CONNECT_LIMIT_MS = 4_000;
// A connection that lived this long was good: the next failure starts the backoff anew.
const GOOD_AFTER_MS = 5_000;
// Browsers cannot ping. A repeated join is harmless, keeps routers from forgetting an idle
// connection, and makes one that is dead in truth fail, so that no ring is missed for hours.
const KEEPALIVE_MS = 25_000;
// Timers this late mean the machine slept, and the socket with it.
const SLEPT_MS = 60_000;

export class Line {
  #url;
  #handlers;
  #room;
  #user = null;
  #socket = null;
  #former = null;
  #openedAt = 0;
  #attempt = 0;
  #held = [];
  #timers = { retry: 0, limit: 0, keepalive: 0 };
  #tickedAt = 0;
  #isRenewed = false;

  /**
   * `handlers`: onUp(), onDown(), onRenewed() when a line that may be good is given up for another,
   * which onUp() or onDown() follows, onReplaced(), onMessage(message).
   */
  constructor(url, room, handlers) {
    this.#url = url;
    this.#room = room;
    this.#handlers = handlers;
  }

  /** The name under which this page is known in the room. */
  get user() {
    return this.#user;
  }

  get isUp() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  /** Connects and joins as `user`; under another name than before, the old one leaves first. */
  connect(user) {
    if (this.isUp && this.#user !== user) this.leave();
    this.#user = user;
    if (this.isUp) this.join();
    else this.#open();
  }

  join() {
    // Our server then tells when the door gives a call up that does not stand yet.
    this.#transmit({ type: "join", room: this.#room, user: this.#user, withdrawals: true });
  }

  leave() {
    this.#transmit({ type: "leave", room: this.#room, user: this.#user });
  }

  /** Sends a message of the call in force; while the line is down it is held for the next one. */
  send(type, fields) {
    const message = { type, room: this.#room, from: this.#user, ...fields };
    if (!this.#transmit(message) && this.#isKept) this.#held.push(message);
  }

  /** Drops what was held: its call is over. */
  forget() {
    this.#held = [];
  }

  /** Leaves for good, at once. */
  close() {
    this.leave();
    this.#abandon();
    this.#clearTimers();
  }

  /** The network or the screen came back: no reason to wait for the backoff, or to trust a socket. */
  wake({ networkChanged = false } = {}) {
    if (!this.#isKept) return;
    const slept = Date.now() - this.#tickedAt > SLEPT_MS;
    if (this.isUp && !networkChanged && !slept) return;
    this.#attempt = 0;
    if (this.isUp) {
      this.#isRenewed = true;
      this.#handlers.onRenewed();
    }
    this.#open();
  }

  #open() {
    this.#retire();
    this.#clearTimers();
    this.#keepAlive();
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    this.#timers.limit = setTimeout(() => this.#lost(socket), CONNECT_LIMIT_MS);
    socket.onopen = () => this.#opened();
    socket.onmessage = ({ data }) => this.#received(data);
    socket.onclose = ({ code }) => (code === REPLACED ? this.#replaced() : this.#lost(socket));
  }

  #opened() {
    clearTimeout(this.#timers.limit);
    this.#openedAt = Date.now();
    this.#isRenewed = false;
    this.join();
    for (const message of this.#held.splice(0)) this.#transmit(message);
    this.#closeFormer();
    this.#handlers.onUp();
  }

  #received(data) {
    const message = parse(data);
    if (message && this.#isOurs(message.room)) this.#handlers.onMessage(message);
  }

  // Errors may name no room, and a UUID may come back in other letters (RFC 9562, section 4).
  #isOurs(room = this.#room) {
    return String(room).toLowerCase() === this.#room.toLowerCase();
  }

  /** True when a line that is lost comes back by itself. */
  get #isKept() {
    return this.#timers.keepalive !== 0;
  }

  #replaced() {
    this.#socket = null;
    this.forget();
    this.#clearTimers();
    this.#handlers.onReplaced();
  }

  #lost(socket) {
    if (socket !== this.#socket) return;
    const wasUp = this.#openedAt > 0 || this.#isRenewed;
    this.#isRenewed = false;
    if (wasUp && Date.now() - this.#openedAt > GOOD_AFTER_MS) this.#attempt = 0;
    this.#abandon();
    this.#clearTimers();
    this.#keepAlive();
    this.#timers.retry = setTimeout(() => this.#open(), delayMs(this.#attempt++));
    if (wasUp) this.#handlers.onDown();
  }

  #abandon() {
    this.#retire();
    this.#closeFormer();
  }

  // One that is open stays so until another has joined: else a page that waits could get the seat.
  #retire() {
    const socket = this.#socket;
    this.#socket = null;
    this.#openedAt = 0;
    if (!socket) return;
    socket.onopen = null;
    // Some servers drop the *new* registration of a name when its *old* connection closes.
    socket.onclose = () => this.isUp && this.join();
    if (socket.readyState === WebSocket.OPEN) this.#former = socket;
    else socket.close();
  }

  #closeFormer() {
    if (this.#former) this.#former.onmessage = null;
    this.#former?.close();
    this.#former = null;
  }

  #keepAlive() {
    this.#tickedAt = Date.now();
    this.#timers.keepalive = setInterval(() => {
      this.#tickedAt = Date.now();
      if (this.isUp) this.join();
    }, KEEPALIVE_MS);
  }

  #clearTimers() {
    clearTimeout(this.#timers.retry);
    clearTimeout(this.#timers.limit);
    clearInterval(this.#timers.keepalive);
    this.#timers = { retry: 0, limit: 0, keepalive: 0 };
  }

  #transmit(message) {
    if (!this.isUp) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }
}

function parse(data) {
  try {
    const message = JSON.parse(data);
    return typeof message?.type === "string" ? message : null;
  } catch {
    return null;
  }
}
