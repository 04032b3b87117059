// Builds the page from its parts and lets events in. Read this file first.

import { Notice, Title, Wake } from "./attention.js";
import { Connections } from "./connections.js";
import { isWithdrawal, pickLanguage, refusalIn, translator, wordsOfServer } from "./i18n.js";
import { Intercom } from "./intercom.js";
import { keyIn, roomIn, signalUrl } from "./link.js";
import { Microphone, microphoneUnasked, takeVoice } from "./microphone.js";
import { Negotiation } from "./negotiation.js";
import { Peer } from "./peer.js";
import { Release } from "./release.js";
import { Ring } from "./ring.js";
import { Seal, isUnproven } from "./seal.js";
import { settings } from "./settings.js";
import { Line } from "./signaling.js";
import { Speaker } from "./speaker.js";
import { View } from "./view.js";

const language = pickLanguage(navigator.languages);
const translate = translator(language);
const view = new View(translate, language);
const room = roomIn(location.search);
const key = keyIn(location.hash);

const connections = new Connections();
const notice = new Notice();
const speaker = new Speaker(document.getElementById("sound"), () =>
  view.showBlockedSound(speaker.blocked),
);

const line = new Line(signalUrl(location), room, {
  onUp: () => intercom.happen("line-up"),
  onDown: () => intercom.happen("line-down"),
  onRenewed: () => intercom.happen("line-renewed"),
  onReplaced: () => intercom.happen("replaced"),
  onMessage: (message) => hear(message),
});

const negotiation = new Negotiation({
  seal: new Seal(key, room),
  makePeer: async (handlers) => new Peer(await connections.take(), handlers),
  send: (type, fields) => line.send(type, fields),
  handlers: {
    onOffer: (offer) => intercom.offered(offer),
    onSlow: () => line.wake({ networkChanged: true }),
    onConnected: () => intercom.happen("connected"),
    onUnstable: () => connectionIs("unstable"),
    onStable: () => connectionIs("stable"),
    onLost: (why) => lost(why),
    onEnded: (reason) => intercom.happen("ended", { reason }),
    onBadOffer: () => view.toast(translate("bad-offer")),
    onRefused: () => refused(),
    onProof: (proof) => proven(proof),
    onDoor: (door) => release.doorIs(door),
  },
});

const release = new Release({
  onChange: (state) => releaseIs(state),
  onAsk: () => negotiation.peer?.say("release"),
  onFailed: () => view.toast(translate("release-failed"), { isState: true }),
});

const microphone = new Microphone({
  onTrack: (track) => negotiation.peer?.speak(track).catch(() => {}),
  onChange: () => view.showMicrophone(microphone.state),
  onDenied: () => view.toast(translate("microphone-denied"), { isState: true }),
});

const intercom = new Intercom({
  line,
  negotiation,
  microphone,
  speaker,
  release,
  ring: new Ring(speaker.context),
  title: new Title(),
  notice,
  wake: new Wake(),
  view,
  settings,
  translate,
});

function hear(message) {
  if (message.type !== "error") return negotiation.hear(message);
  const text = String(message.message ?? "");
  if (isWithdrawal(text)) return withdrawn();
  const said = wordsOfServer(text, translate);
  const refusal = refusalIn(text);
  if (refusal) intercom.happen(refusal, { said });
  else view.toast(said);
}

// A server's word ends no call that stands.
function withdrawn() {
  const { peer } = negotiation;
  negotiation.dropOffers();
  if (!peer?.isConnected || peer.isOver) intercom.happen("withdrawn");
}

function proven(proof) {
  view.showProof(proof);
  if (isUnproven(proof)) view.toast(translate("unverified"));
}

function refused() {
  view.noteRefused(new Date());
  view.toast(translate("refused"));
}

function releaseIs(state) {
  view.showRelease(state);
  // For those who do not see the button's words change.
  if (state === "sure" || state === "open") {
    view.toast(translate(`release-is-${state}`), { isState: true });
  }
}

function lost(why) {
  if (why === "failed" && negotiation.lacksKey) view.toast(translate("link-too-old"));
  connectionIs("lost", { reason: why });
}

function connectionIs(event, detail) {
  const unstable = event !== "stable";
  view.setUnstable(unstable);
  // The line may be as dead as the connection, and by it the door comes back.
  if (unstable) line.wake({ networkChanged: true });
  intercom.happen(event, detail);
}

function useName(name) {
  settings.set(name);
  view.showName(name);
  intercom.happen("named");
}

function mute() {
  microphone.toggle();
  if (microphone.state === "denied" || microphone.state === "off") return;
  view.toast(translate(`microphone-${microphone.state}`), { isState: true });
}

async function allowMicrophone() {
  const track = await takeVoice();
  track?.stop();
  view.toast(translate(track ? "microphone-allowed" : "microphone-denied"));
  await offerWhatIsPossible();
}

async function allowNotices() {
  await notice.ask();
  await offerWhatIsPossible();
}

async function offerWhatIsPossible() {
  view.offer({
    volume: speaker.hasVolume,
    notices: notice.unasked,
    microphone: await microphoneUnasked(),
  });
}

view.listen({
  onName: useName,
  onNameWanted: () => intercom.happen("name-wanted"),
  onNameKept: () => intercom.happen("name-kept"),
  onUseHere: () => intercom.happen("use-here"),
  onAnswer: () => intercom.answered(),
  onDecline: () => intercom.happen("decline"),
  onHangUp: () => intercom.happen("hang-up"),
  onMute: mute,
  onRelease: () => release.touch(),
  onVolume: (share) => (speaker.volume = share),
  onAllowMicrophone: allowMicrophone,
  onAllowNotices: allowNotices,
});

addEventListener("online", () => {
  connections.renew();
  line.wake({ networkChanged: true });
});
document.addEventListener("visibilitychange", () => document.hidden || line.wake());
addEventListener("pagehide", () => intercom.vanish());
// A new link may differ in its key alone, for which browsers do not load the page anew.
addEventListener("hashchange", () => location.reload());
// A page restored from the browser's cache has lost its connections.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

view.showMicrophone(microphone.state);
view.showName(settings.name);
if (!room || key === null) {
  intercom.happen("link-refused");
} else if (!("RTCPeerConnection" in globalThis)) {
  view.showUnsupported();
} else {
  connections.renew();
  offerWhatIsPossible();
  intercom.happen(settings.name ? "named" : "name-wanted");
}
