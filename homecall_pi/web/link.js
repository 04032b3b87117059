// The family's link: https://<host>/?room=<uuid>. The room is a secret: it stays in this tab.

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The room named by the link's query string, or null when it is missing or not a UUID. */
export function roomIn(search) {
  const room = new URLSearchParams(search).get("room")?.trim() ?? "";
  return UUID.test(room) ? room : null;
}

/** The signaling address on the page's own host; unencrypted only where the page itself is. */
export function signalUrl(location) {
  return `${location.protocol === "http:" ? "ws:" : "wss:"}//${location.host}/signal`;
}
