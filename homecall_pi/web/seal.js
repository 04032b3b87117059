// Proofs that an offer or answer comes from a holder of the link's key, and as it was sent. What
// exactly is sealed, and why, stands in homecall_pi/core/seal.py, its twin.

const ATTRIBUTE = "x-homecall-mac";
const LABEL = `${ATTRIBUTE} 1`;
const LINE = `\r\na=${ATTRIBUTE}:`;
const MEDIA = "\r\nm=";

const utf8 = new TextEncoder();

export class Seal {
  #key;
  #room;

  /** `key` is that of the link, or null; `room` its UUID. */
  constructor(key, room) {
    // Only pages from https: or this machine have `subtle`; elsewhere nothing can be proven.
    this.#key = key && crypto.subtle ? importKey(key) : null;
    this.hasKey = Boolean(key);
    this.#room = room?.toLowerCase();
  }

  /**
   * What the offer's seal is worth: "valid", "missing" or "wrong"; "keyless" when it has one and
   * this link has no key to it.
   */
  async check(offer) {
    if (!offer.includes(ATTRIBUTE)) return "missing";
    if (!this.hasKey) return "keyless";
    if (!this.#key) return "missing";
    const { session, media } = parted(offer);
    const at = session.lastIndexOf(LINE);
    if (at < 0) return "wrong";
    const right = await this.#mac("offer", "", session.slice(0, at) + media);
    return isSame(session.slice(at + LINE.length), right) ? "valid" : "wrong";
  }

  /** The answer to just this offer, sealed where the link has a key. */
  async answer(offer, sdp) {
    if (!this.#key) return sdp;
    const { session, media } = parted(sdp);
    return session + LINE + (await this.#mac("answer", offer, sdp)) + media;
  }

  async #mac(role, offer, sdp) {
    const parts = [LABEL, role, this.#room, offer, sdp].map((text) => utf8.encode(text));
    const message = new Blob(parts.flatMap((part) => [bigEndian(part.length), part]));
    const mac = await crypto.subtle.sign("HMAC", await this.#key, await message.arrayBuffer());
    return btoa(String.fromCharCode(...new Uint8Array(mac)))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace("=", "");
  }
}

/** True when anybody may have made the offer; a seal that this link cannot check proves nothing. */
export function isUnproven(proof) {
  return proof === "missing" || proof === "keyless";
}

function importKey(text) {
  const bytes = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) =>
    letter.charCodeAt(0),
  );
  return crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
}

function parted(sdp) {
  const at = sdp.indexOf(MEDIA);
  return at < 0 ? { session: sdp, media: "" } : { session: sdp.slice(0, at), media: sdp.slice(at) };
}

function bigEndian(number) {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, number);
  return view;
}

// How long it takes does not tell where the two differ.
function isSame(given, right) {
  if (given.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < right.length; at++) {
    difference |= given.charCodeAt(at) ^ right.charCodeAt(at);
  }
  return difference === 0;
}
