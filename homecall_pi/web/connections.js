// Connections made before they are needed: making one costs time the visitor would wait.

const CONFIG_URL = "config.json";
// Addresses change and TURN passwords run out; a connection that waited too long is made anew.
const RENEW_MS = 4 * 60_000;
const RENEW_AFTER_CALL_MS = 2_000;

export class Connections {
  #iceServers = [];
  #warm = null;
  #timer = 0;

  /** Reads the ICE servers and keeps one connection ready. A ring never waits for this. */
  async renew() {
    this.#schedule(RENEW_MS);
    this.#prepare();
    const iceServers = await fetchIceServers();
    if (!iceServers || JSON.stringify(iceServers) === JSON.stringify(this.#iceServers)) return;
    this.#iceServers = iceServers;
    this.#prepare();
  }

  /** A connection that has not been used. */
  take() {
    const connection = this.#warm ?? this.#make();
    this.#warm = null;
    this.#schedule(RENEW_AFTER_CALL_MS);
    return connection;
  }

  #prepare() {
    this.#warm?.close();
    this.#warm = this.#make();
  }

  #make() {
    // A pool of one: addresses are gathered before the ring too.
    const options = { iceCandidatePoolSize: 1 };
    try {
      return new RTCPeerConnection({ ...options, iceServers: this.#iceServers });
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

async function fetchIceServers() {
  try {
    const response = await fetch(CONFIG_URL, { cache: "no-store" });
    const { iceServers } = await response.json();
    return Array.isArray(iceServers) ? iceServers : null;
  } catch {
    return null;
  }
}
