// Calls for attention besides sound: the tab's title, a notification, a screen that stays lit.

const FLASH_MS = 900;

/** The title of the tab, flashing while it rings. It never names the room. */
export class Title {
  #timer = 0;
  #plain = "";

  flash(text) {
    this.calm();
    this.#plain = document.title;
    document.title = text;
    this.#timer = setInterval(() => {
      document.title = document.title === text ? this.#plain : text;
    }, FLASH_MS);
  }

  calm() {
    if (!this.#timer) return;
    clearInterval(this.#timer);
    this.#timer = 0;
    document.title = this.#plain;
  }
}

/** A notification for a page out of sight; only after its own button was pressed. */
export class Notice {
  #notification = null;

  /** True when the browser could show notifications and has not been asked. */
  get unasked() {
    return globalThis.Notification?.permission === "default";
  }

  async ask() {
    await Notification.requestPermission();
  }

  show(text) {
    if (!document.hidden || globalThis.Notification?.permission !== "granted") return;
    try {
      this.#notification = new Notification(text, { tag: "ring", icon: "icon.svg" });
      this.#notification.onclick = () => window.focus();
    } catch {
      // Some phones allow notifications to service workers only; the bell still rings.
    }
  }

  clear() {
    this.#notification?.close();
    this.#notification = null;
  }
}

/** Keeps the screen lit while it is wanted, also after the page was out of sight. */
export class Wake {
  #wanted = false;
  #lock = null;

  constructor() {
    document.addEventListener("visibilitychange", () => this.#take());
  }

  set wanted(wanted) {
    this.#wanted = wanted;
    if (wanted) this.#take();
    else this.#release();
  }

  async #take() {
    if (!this.#wanted || document.hidden || !navigator.wakeLock) return;
    try {
      this.#lock = await navigator.wakeLock.request("screen");
      if (!this.#wanted) this.#release();
    } catch {
      // Refused to save the battery: the screen follows its own habits.
    }
  }

  #release() {
    this.#lock?.release();
    this.#lock = null;
  }
}
