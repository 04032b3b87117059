// The family's link: https://<host>/?room=<uuid>#k=<key>. Both are secrets and stay in this tab;
// the key is not even told to the server, since browsers send no fragment.

// 16 bytes in base64url (RFC 4648, section 5): of the last letter two bits are used.
const KEY = /^[\w-]{21}[AQgw]$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The room named by the link's query string, or null when it is missing or not a UUID. */
export function roomIn(search) {
  const room = new URLSearchParams(search).get("room")?.trim() ?? "";
  return UUID.test(room) ? room : null;
}

/** The key in the link's fragment, "" when there is none, or null when it is damaged. */
export function keyIn(hash) {
  const key = new URLSearchParams(hash.replace(/^#/, "")).get("k")?.trim() ?? "";
  return key === "" || KEY.test(key) ? key : null;
}

/** The signaling address on the page's own host; unencrypted only where the page itself is. */
export function signalUrl(location) {
  return `${location.protocol === "http:" ? "ws:" : "wss:"}//${location.host}/signal`;
}
