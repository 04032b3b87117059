// What the page needs to know of a session description. Pure text in, text out.

// An offer with this session-level line carries a pre-negotiated data channel; an answer with it
// accepts the channel. A peer that does not know the line ignores it (RFC 8866, section 5.13).
const CONTROL_LINE = "a=x-homecall:1";

/** True when the offer invites to the control channel and has a section to carry it. */
export function invitesControl(sdp) {
  return sessionPart(sdp).includes(CONTROL_LINE) && /^m=application /m.test(sdp);
}

/** The same description with the control channel accepted in it. */
export function withControl(sdp) {
  return sdp.replace(/^m=/m, `${CONTROL_LINE}\r\nm=`);
}

/**
 * What all offers of one call of our door have in common: the tags of their media sections (RFC 5888).
 * Empty for the offers of others, which do not tell.
 */
export function callOf(sdp) {
  return invitesControl(sdp) ? values(sdp, "a=mid:").join(" ") : "";
}

/** True when both offers were made by the same RTCPeerConnection, so the second renegotiates. */
export function sameSession(one, other) {
  return identity(one) !== "" && identity(one) === identity(other);
}

/** True when a candidate with this ICE user fragment belongs to the description. */
export function hasUfrag(sdp, ufrag) {
  return values(sdp, "a=ice-ufrag:").includes(ufrag);
}

/** The ICE user fragment a candidate names (RTCIceCandidateInit), or null when it names none. */
export function ufragOf(candidate) {
  return candidate.usernameFragment ?? / ufrag (\S+)/.exec(candidate.candidate ?? "")?.[1] ?? null;
}

function identity(sdp) {
  const fingerprint = values(sdp, "a=fingerprint:")[0];
  const ufrag = values(sdp, "a=ice-ufrag:")[0];
  return fingerprint && ufrag ? `${fingerprint.toLowerCase()} ${ufrag}` : "";
}

function sessionPart(sdp) {
  return lines(sdp.split(/^m=/m, 1)[0]);
}

function values(sdp, prefix) {
  return lines(sdp)
    .filter((line) => line.startsWith(prefix))
    .map((line) => line.slice(prefix.length).trim());
}

function lines(text) {
  return text.split(/\r?\n/);
}
