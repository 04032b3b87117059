// Builds the page from its parts and lets events in. Read this file first.

import { Notice, Title, Wake } from "./attention.js";
import { Connections } from "./connections.js";
import { pickLanguage, translator } from "./i18n.js";
import { Intercom } from "./intercom.js";
import { roomIn, signalUrl } from "./link.js";
import { Microphone, microphoneUnasked, takeVoice } from "./microphone.js";
import { Negotiation } from "./negotiation.js";
import { Peer } from "./peer.js";
import { Ring } from "./ring.js";
import { settings } from "./settings.js";
import { Line } from "./signaling.js";
import { Speaker } from "./speaker.js";
import { View } from "./view.js";

const language = pickLanguage(navigator.languages);
const translate = translator(language);
const view = new View(translate, language);
const room = roomIn(location.search);

const connections = new Connections();
const notice = new Notice();
const speaker = new Speaker(document.getElementById("sound"), () =>
  view.showBlockedSound(speaker.blocked),
);

const line = new Line(signalUrl(location), room, {
  onUp: () => intercom.happen("line-up"),
  onDown: () => intercom.happen("line-down"),
  onReplaced: () => intercom.happen("replaced"),
  onMessage: (message) => hear(message),
});

const negotiation = new Negotiation({
  makePeer: (handlers) => new Peer(connections.take(), handlers),
  send: (type, fields) => line.send(type, fields),
  handlers: {
    onOffer: (from) => intercom.happen("offer", { from }),
    onUnstable: () => connectionIs("unstable"),
    onStable: () => connectionIs("stable"),
    onEnded: (reason) => intercom.happen("ended", { reason }),
    onBadOffer: () => view.toast(translate("bad-offer")),
  },
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
  if (/full/i.test(text)) intercom.happen("full");
  else view.toast(`${translate("server-says")} ${text}`);
}

function connectionIs(event) {
  view.setUnstable(event === "unstable");
  intercom.happen(event);
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
  onAnswer: () => intercom.happen("answer"),
  onDecline: () => intercom.happen("decline"),
  onHangUp: () => intercom.happen("hang-up"),
  onMute: mute,
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
// A page restored from the browser's cache has lost its connections.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());

view.showMicrophone(microphone.state);
view.showName(settings.name);
if (!room) {
  intercom.happen("link-refused");
} else if (!("RTCPeerConnection" in globalThis)) {
  view.showUnsupported();
} else {
  connections.renew();
  offerWhatIsPossible();
  intercom.happen(settings.name ? "named" : "name-wanted");
}
