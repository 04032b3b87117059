// The only module that touches the document. Words of others enter it through textContent alone.

import { isUnproven } from "./seal.js";

const TOAST_MS = 5_000;
const TOASTS_AT_ONCE = 2;
// Somebody typing a name when the bell rings must not answer with the next key.
const TYPING_GUARD_MS = 800;
// Filling the screen may cut off this share of the picture at the most.
const CUT_LIMIT = 0.22;
const BACKDROP_MS = 500;
// What has the keyboard when a state begins.
const FOCUSED = {
  name: "name",
  ringing: "answer",
  answering: "call",
  talking: "call",
  replaced: "use-here",
};

export class View {
  #translate;
  #byId = (id) => document.getElementById(id);
  #clock = 0;
  #backdrop = 0;
  #stopWaitingForPicture = () => {};

  constructor(translate, language) {
    this.#translate = translate;
    document.documentElement.lang = language;
    document.title = translate("title");
    for (const element of document.querySelectorAll("[data-t]")) {
      element.textContent = translate(element.dataset.t);
    }
    for (const element of document.querySelectorAll("[data-label]")) {
      label(element, translate(element.dataset.label));
    }
    this.#fitPicture();
  }

  /** `handlers`: onName, onNameWanted, onNameKept, onUseHere, onAnswer, onDecline, onHangUp,
   *  onMute, onRelease, onVolume, onAllowMicrophone, onAllowNotices. */
  listen(handlers) {
    const clicks = {
      answer: handlers.onAnswer,
      decline: handlers.onDecline,
      hangup: handlers.onHangUp,
      mute: handlers.onMute,
      release: handlers.onRelease,
      fullscreen: () => toggleFullScreen(this.#byId("picture")),
      "use-here": handlers.onUseHere,
      "change-name": handlers.onNameWanted,
      "keep-name": handlers.onNameKept,
      "allow-microphone": handlers.onAllowMicrophone,
      "allow-notices": handlers.onAllowNotices,
      picture: () => this.#toggleFit(),
    };
    for (const [id, handler] of Object.entries(clicks)) {
      this.#byId(id).addEventListener("click", () => handler());
    }
    this.#byId("name-form").addEventListener("submit", (event) => {
      event.preventDefault();
      const name = this.#byId("name").value.trim();
      if (name) handlers.onName(name);
    });
    this.#byId("volume").addEventListener("input", ({ target }) => {
      handlers.onVolume(target.valueAsNumber / 100);
    });
    // Escape declines a ring. It ends no call: in full screen it is pressed for another reason.
    addEventListener("keydown", ({ key }) => {
      if (key === "Escape" && document.body.dataset.state === "ringing") handlers.onDecline();
    });
    document.addEventListener("fullscreenchange", () => this.#labelFullScreen());
  }

  /** Shows the page in this state; `up` says whether the server is reached. */
  show(state, { up }) {
    const { dataset } = document.body;
    dataset.line = up ? "up" : "down";
    if (dataset.state === state) return;
    const typing = document.activeElement === this.#byId("name") && dataset.state === "name";
    const before = dataset.state;
    dataset.state = state;
    for (const element of document.querySelectorAll("[data-in]")) {
      element.hidden = !element.dataset.in.split(" ").includes(state);
    }
    // Whoever has moved on to a button there keeps it.
    if (FOCUSED[state] !== FOCUSED[before]) this.#focus(state, typing);
  }

  /** The name of this page's user, as shown and as proposed for editing. */
  showName(name) {
    this.#byId("own-name").textContent = name;
    this.#byId("name").value = name;
    this.#byId("keep-name").hidden = name === "";
  }

  showVisitor(from, picture) {
    this.#byId("caller").textContent = from || this.#translate("door");
    this.setUnstable(false);
    this.#stopWaitingForPicture();
    if (!picture) return this.#usePicture(null);
    // A picture that stands still is better than none while a new connection starts.
    if (document.body.dataset.picture !== "on") return this.#usePicture(picture);
    const use = () => this.#usePicture(picture);
    this.#stopWaitingForPicture = () => picture.removeEventListener("unmute", use);
    if (picture.muted) picture.addEventListener("unmute", use, { once: true });
    else use();
  }

  hideVisitor() {
    this.#stopWaitingForPicture();
    this.#usePicture(null);
    document.body.dataset.picture = "off";
    clearInterval(this.#backdrop);
    this.stopClock();
    this.setUnstable(false);
    this.showProof("none");
    if (document.fullscreenElement) document.exitFullscreen().catch(() => {});
  }

  setUnstable(unstable) {
    this.#byId("link-note").hidden = !unstable;
  }

  /** Whether the door is known to be the family's own: a word of Seal.check, or "pending". */
  showProof(proof) {
    this.#byId("verified").hidden = proof !== "valid";
    this.#byId("unverified").hidden = !isUnproven(proof);
  }

  /** `state` is one of Release. */
  showRelease(state) {
    const button = this.#byId("release");
    button.hidden = state === "none";
    button.dataset.release = state;
    if (state !== "none") {
      this.#byId("release-text").textContent = this.#translate(`release-is-${state}`);
    }
  }

  startClock() {
    const since = performance.now();
    const tick = () => {
      this.#byId("elapsed").textContent = duration(performance.now() - since);
    };
    clearInterval(this.#clock);
    this.#clock = setInterval(tick, 500);
    tick();
  }

  stopClock() {
    clearInterval(this.#clock);
    this.#byId("elapsed").textContent = "";
  }

  /** `state` is "off", "on", "muted" or "denied". */
  showMicrophone(state) {
    document.body.dataset.mic = state;
    const button = this.#byId("mute");
    label(button, this.#translate(state === "denied" ? "microphone-retry" : "mute"));
    button.setAttribute("aria-pressed", String(state === "muted"));
    this.#byId("mic-note").hidden = state !== "denied";
  }

  /** Shows or hides the sign that the browser keeps the page silent. */
  showBlockedSound(blocked) {
    this.#byId("unblock-sound").hidden = !blocked;
  }

  /** Hides what this device cannot do. */
  offer({ volume, microphone, notices }) {
    this.#byId("volume-box").hidden = !volume;
    this.#byId("allow-microphone").hidden = !microphone;
    this.#byId("allow-notices").hidden = !notices;
    this.#byId("fullscreen").hidden = !canFullScreen(this.#byId("picture"));
  }

  showUnsupported() {
    this.#byId("unsupported").hidden = false;
  }

  noteMissed(time) {
    this.#note("missed", `${this.#translate("missed-at")} ${clock(time)}`);
  }

  noteRefused(time) {
    this.#note("refused", `${clock(time)}: ${this.#translate("refused")}`);
  }

  clearNotes() {
    this.#byId("missed").hidden = true;
    this.#byId("refused").hidden = true;
  }

  /** A short message, seen and spoken; one that tells the state takes the place of the last such. */
  toast(text, { isState = false } = {}) {
    const toasts = this.#byId("toasts");
    for (const old of [...toasts.children]) {
      if (old.textContent === text || (isState && old.matches(".state"))) old.remove();
    }
    const toast = document.createElement("p");
    toast.className = isState ? "toast state" : "toast";
    toast.textContent = text;
    toasts.append(toast);
    while (toasts.children.length > TOASTS_AT_ONCE) toasts.firstElementChild.remove();
    setTimeout(() => toast.remove(), TOAST_MS);
  }

  #note(id, text) {
    this.#byId(id).textContent = text;
    this.#byId(id).hidden = false;
  }

  #focus(state, typing) {
    const target = FOCUSED[state];
    if (!target) return;
    setTimeout(() => this.#byId(target).focus(), typing ? TYPING_GUARD_MS : 0);
  }

  #usePicture(track) {
    const video = this.#byId("picture");
    video.srcObject = track && new MediaStream([track]);
    if (!track) return;
    video.play().catch(() => {});
    clearInterval(this.#backdrop);
    this.#backdrop = setInterval(() => this.#paintBackdrop(), BACKDROP_MS);
  }

  #fitPicture() {
    const video = this.#byId("picture");
    const fit = () => {
      const share = video.videoWidth / video.videoHeight / (innerWidth / innerHeight);
      video.dataset.fit = Math.min(share, 1 / share) >= 1 - CUT_LIMIT ? "cover" : "contain";
    };
    addEventListener("resize", fit);
    video.addEventListener("resize", fit);
    video.addEventListener("loadeddata", () => {
      document.body.dataset.picture = "on";
      fit();
      this.#paintBackdrop();
    });
  }

  #toggleFit() {
    const { dataset } = this.#byId("picture");
    dataset.fit = dataset.fit === "cover" ? "contain" : "cover";
  }

  // What the picture leaves free of the screen is filled with its own colours, blurred by CSS.
  #paintBackdrop() {
    const canvas = this.#byId("backdrop");
    canvas.getContext("2d").drawImage(this.#byId("picture"), 0, 0, canvas.width, canvas.height);
  }

  #labelFullScreen() {
    const word = document.fullscreenElement ? "exit-full-screen" : "full-screen";
    label(this.#byId("fullscreen"), this.#translate(word));
  }
}

function label(element, text) {
  element.setAttribute("aria-label", text);
  if (element.matches("button")) element.title = text;
}

function clock(time) {
  const { lang } = document.documentElement;
  return time.toLocaleTimeString(lang, { hour: "2-digit", minute: "2-digit" });
}

function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  const rest = `${Math.floor(seconds / 60) % 60}:${String(seconds % 60).padStart(2, "0")}`;
  return seconds < 3600 ? rest : `${Math.floor(seconds / 3600)}:${rest.padStart(5, "0")}`;
}

function canFullScreen(video) {
  return Boolean(document.fullscreenEnabled || video.webkitEnterFullscreen);
}

function toggleFullScreen(video) {
  if (document.fullscreenElement) document.exitFullscreen();
  else if (document.fullscreenEnabled) document.documentElement.requestFullscreen().catch(() => {});
  else video.webkitEnterFullscreen();
}
