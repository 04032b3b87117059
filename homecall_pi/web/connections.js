// Connections made before they are needed: making one costs time the visitor would wait.

const CONFIG_URL = "config.json";
// Addresses change and TURN passwords run out; a connection that waited too long is made anew.
const RENEW_MS = 4 * 60_000;
const RENEW_AFTER_CALL_MS = 2_000;
// A page that was just opened does not know yet which servers there are, and whether its address
// may be told: a ring waits for that, but not for long.
const UNKNOWN_LIMIT_MS = 1_000;
// Now and then (once in some 500 rings), Chromium 156 told no address at all of a connection that was
// used just when it began to gather ahead: what is wanted at once is made without.
const GATHERED_MS = 500;

export class Connections {
  #configuration = {};
  #becomeKnown;
  #known = new Promise((resolve) => (this.#becomeKnown = resolve));
  #warm = null;
  #madeAt = 0;
  #timer = 0;

  constructor() {
    setTimeout(this.#becomeKnown, UNKNOWN_LIMIT_MS);
  }

  /** Reads the configuration and keeps one connection ready. */
  async renew() {
    this.#schedule(RENEW_MS);
    this.#prepare();
    const configuration = await fetchConfiguration();
    if (configuration && !isSame(configuration, this.#configuration)) {
      this.#configuration = configuration;
      this.#prepare();
    }
    this.#becomeKnown();
  }

  /** A connection that has not been used. */
  async take() {
    await this.#known;
    const warm = this.#warm;
    this.#warm = null;
    this.#schedule(RENEW_AFTER_CALL_MS);
    if (warm && performance.now() - this.#madeAt >= GATHERED_MS) return warm;
    warm?.close();
    return this.#make({ ahead: false });
  }

  #prepare() {
    this.#warm?.close();
    this.#warm = this.#make({ ahead: true });
    this.#madeAt = performance.now();
  }

  /** With `ahead`, addresses are gathered before the ring, too. */
  #make({ ahead }) {
    const { iceServers, iceTransportPolicy } = this.#configuration;
    const options = { iceCandidatePoolSize: ahead ? 1 : 0, iceTransportPolicy };
    try {
      return new RTCPeerConnection({ ...options, iceServers });
    } catch {
      // One malformed address in the server's list must not cost the ring.
      return new RTCPeerConnection(options);
    }
  }

  #schedule(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.renew(), delayMs);
  }
}

/** What we heed of an RTCConfiguration; null if there is none. */
async function fetchConfiguration() {
  try {
    const response = await fetch(CONFIG_URL, { cache: "no-store" });
    const { iceServers, iceTransportPolicy } = await response.json();
    return {
      iceServers: Array.isArray(iceServers) ? iceServers : [],
      iceTransportPolicy: iceTransportPolicy === "relay" ? "relay" : "all",
    };
  } catch {
    return null;
  }
}

function isSame(one, other) {
  return JSON.stringify(one) === JSON.stringify(other);
}
