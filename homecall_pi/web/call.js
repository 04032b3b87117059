// What the page is doing, as tables: (state, event) -> (next state, actions). No DOM, no WebRTC.
//
// Three things change independently, so the state has three parts:
//
//   visit  "no-room"  the link names no room       "name"  asking for a name     "named"
//   line   "down"     no server                    "up"    joined and waiting
//          "renewing"  another one is made, to be sure    "replaced"  opened elsewhere with this name
//          "full"     others are in the room       "shut"      not let in for another reason
//   call   "idle"     "ringing"  somebody is at the door    "talking"  the microphone is theirs
//          "answering"  a person has answered, and the connection does not stand yet
//
// Media is peer to peer: whatever the line does, a call goes on. An event without a row in a
// part's present state changes nothing there. An action is "verb" or "verb:word".

export const INITIAL = Object.freeze({ visit: "no-room", line: "down", call: "idle" });

const VISIT = {
  "no-room": { "name-wanted": ["name"], named: ["named", "connect"] },
  name: { named: ["named", "connect"], "name-kept": ["named"] },
  named: { "name-wanted": ["name"] },
};

const REFUSED = {
  "line-down": ["down", "stop-retrying", "tell:offline"],
  "line-renewed": ["renewing", "stop-retrying"],
  replaced: ["replaced", "stop-retrying", "drop-offers", "tell:replaced"],
  // No error came back after the latest join: the server took it.
  admitted: ["up", "stop-retrying", "tell:online"],
  offer: ["up", "stop-retrying"],
};

const LINE = {
  down: {
    "line-up": ["up", "tell:online"],
  },
  up: {
    "line-down": ["down", "tell:offline"],
    "line-renewed": ["renewing"],
    full: ["full", "retry-join", "tell:full"],
    shut: ["shut", "retry-join", "tell-error"],
    replaced: ["replaced", "drop-offers", "tell:replaced"],
  },
  renewing: {
    "line-up": ["up"],
    "line-down": ["down", "tell:offline"],
  },
  full: { ...REFUSED, full: ["full", "retry-join"], shut: ["shut", "retry-join", "tell-error"] },
  shut: { ...REFUSED, full: ["full", "retry-join", "tell:full"], shut: ["shut", "retry-join"] },
  replaced: {
    "use-here": ["down", "connect"],
    // By another name there is no quarrel over the seat; the visit's row connects.
    named: ["down"],
  },
};

const CALL = {
  idle: {
    offer: ["ringing", "show-visitor", "ring", "tell:ringing"],
    // The door had not heard yet that the call was ended here.
    "late-offer": ["idle", "part:hung-up"],
  },
  ringing: {
    offer: ["ringing", "show-visitor"],
    answer: ["talking", "hush", "say:answered", "open-microphone", "start-clock", "tell:talking"],
    "early-answer": ["answering", "hush", "say:answered", "open-microphone", "tell:connecting"],
    decline: ["idle", "hush", "part:declined", "rejoin", "tell:declined"],
    ended: ["idle", "hush", "part", "rejoin", "note-missed", "tell-reason"],
    lost: ["idle", "hush", "part", "rejoin", "note-missed", "tell-reason"],
    withdrawn: ["idle", "hush", "part", "rejoin", "note-missed", "tell:missed"],
    // It rings where the page was opened last: the door, left alone, offers anew.
    replaced: ["idle", "hush", "part"],
  },
  answering: {
    offer: ["answering", "show-visitor", "carry-microphone", "say:answered"],
    "next-offer": ["ringing", "close-microphone", "show-visitor", "ring", "tell:ringing"],
    connected: ["talking", "start-clock", "tell:talking"],
    "hang-up": ["idle", "close-microphone", "part:hung-up", "rejoin", "tell:hung-up"],
    ended: ["idle", "close-microphone", "part", "rejoin", "tell-reason"],
    lost: ["idle", "close-microphone", "part", "rejoin", "tell-reason"],
    withdrawn: ["idle", "close-microphone", "part", "rejoin", "tell-reason"],
  },
  talking: {
    // The door comes back with a new connection: the call goes on as it was, once that stands.
    offer: ["talking", "await:nobody", "show-visitor", "note-unstable", "carry-microphone",
      "say:answered"],
    // The door has given the call up: somebody rings anew, to whom nobody has said a word yet.
    "next-offer": ["ringing", "await:nobody", "close-microphone", "stop-clock", "show-visitor",
      "ring", "tell:ringing"],
    "hang-up": ["idle", "await:nobody", "close-microphone", "part:hung-up", "rejoin",
      "tell:hung-up"],
    ended: ["idle", "await:nobody", "close-microphone", "part", "rejoin", "tell-reason"],
    withdrawn: ["idle", "await:nobody", "close-microphone", "part", "rejoin", "tell-reason"],
    unstable: ["talking", "tell:reconnecting"],
    stable: ["talking", "tell:resumed"],
    lost: ["talking", "await:door", "tell:reconnecting"],
    "given-up": ["idle", "close-microphone", "part", "rejoin", "tell-reason"],
  },
};

/** The state after `event`, and what has to be done about it, in order. */
export function step(state, event) {
  const rows = {
    visit: VISIT[state.visit][event],
    line: LINE[state.line][event],
    call: CALL[state.call][event],
  };
  const next = { ...state };
  const actions = [];
  for (const [part, row] of Object.entries(rows)) {
    if (!row) continue;
    next[part] = row[0];
    actions.push(...row.slice(1));
  }
  return { state: next, actions };
}

/** The one word for what the visitor of the page sees: a call comes before everything else. */
export function shown(state) {
  if (state.call !== "idle") return state.call;
  if (state.visit !== "named") return state.visit;
  return { down: "offline", renewing: "offline", up: "waiting" }[state.line] ?? state.line;
}
