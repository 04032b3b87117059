"""The page's pure modules: state tables, session descriptions, words, delays, the link."""

import re

import pytest

from .conftest import WEB

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

SDP = (
    "v=0\r\no=- 1 2 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\n{line}"
    "m=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=ice-ufrag:{ufrag}\r\na=fingerprint:sha-256 {print}\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=ice-ufrag:{ufrag}2\r\n"
)


def sdp(*, line="", ufrag="abcd", fingerprint="AA:BB"):
    return SDP.format(line=line, ufrag=ufrag, print=fingerprint)


@pytest.fixture
def run(door_page):
    """Evaluates `(module, ...args) => result` with one of the page's modules."""

    async def evaluate(module, function, *arguments):
        return await door_page.evaluate(
            "async ([path, text, args]) => eval(text)(await import(path), ...args)",
            [f"/{module}.js", function, list(arguments)],
        )

    return evaluate


async def walk(run, *events):
    """The state shown after these events, and the actions of the last one."""
    return await run(
        "call",
        """({ INITIAL, step, shown }, events) => {
          let now = { state: INITIAL, actions: [] };
          for (const event of events) now = step(now.state, event);
          return [shown(now.state), now.actions];
        }""",
        events,
    )


READY = ("name-wanted", "named", "line-up")


@pytest.mark.parametrize(
    ("events", "state", "actions"),
    [
        ((), "no-room", []),
        (("name-wanted",), "name", []),
        (("name-wanted", "named"), "offline", ["connect"]),
        (READY, "waiting", ["tell:online"]),
        ((*READY, "offer"), "ringing", ["show-visitor", "ring", "tell:ringing"]),
        (
            (*READY, "offer", "decline"),
            "waiting",
            ["hush", "part:declined", "rejoin", "tell:declined"],
        ),
        ((*READY, "offer", "offer"), "ringing", ["show-visitor"]),
        ((*READY, "offer", "line-down"), "ringing", ["tell:offline"]),
        ((*READY, "offer", "hang-up"), "ringing", []),
        ((*READY, "offer", "answer", "answer"), "talking", []),
        (
            (*READY, "offer", "answer", "offer"),
            "talking",
            ["await:nobody", "show-visitor", "note-unstable", "carry-microphone", "say:answered"],
        ),
        ((*READY, "offer", "answer", "stable"), "talking", ["tell:resumed"]),
        ((*READY, "offer", "stable"), "ringing", []),
        ((*READY, "offer", "next-offer"), "ringing", []),
        (
            (*READY, "offer", "answer", "next-offer"),
            "ringing",
            [
                "await:nobody",
                "close-microphone",
                "stop-clock",
                "show-visitor",
                "ring",
                "tell:ringing",
            ],
        ),
        ((*READY, "offer", "connected"), "ringing", []),
        (
            (*READY, "offer", "early-answer"),
            "answering",
            ["hush", "say:answered", "open-microphone", "tell:connecting"],
        ),
        (
            (*READY, "offer", "early-answer", "offer"),
            "answering",
            ["show-visitor", "carry-microphone", "say:answered"],
        ),
        (
            (*READY, "offer", "early-answer", "connected"),
            "talking",
            ["start-clock", "tell:talking"],
        ),
        (
            (*READY, "offer", "early-answer", "lost"),
            "waiting",
            ["close-microphone", "part", "rejoin", "tell-reason"],
        ),
        ((*READY, "line-renewed"), "offline", []),
        ((*READY, "line-renewed", "line-up"), "waiting", []),
        ((*READY, "line-renewed", "line-down"), "offline", ["tell:offline"]),
        ((*READY, "full", "line-renewed", "line-up"), "waiting", []),
        ((*READY, "withdrawn"), "waiting", []),
        ((*READY, "offer", "answer", "lost", "withdrawn"), "waiting", None),
        (
            (*READY, "offer", "replaced"),
            "replaced",
            ["drop-offers", "tell:replaced", "hush", "part"],
        ),
        ((*READY, "offer", "answer", "replaced"), "talking", ["drop-offers", "tell:replaced"]),
        ((*READY, "offer", "answer", "replaced", "ended"), "replaced", None),
        ((*READY, "offer", "answer", "line-down", "ended"), "offline", None),
        ((*READY, "replaced", "name-wanted", "named"), "offline", ["connect"]),
        ((*READY, "full"), "full", ["retry-join", "tell:full"]),
        ((*READY, "shut"), "shut", ["retry-join", "tell-error"]),
        ((*READY, "full", "shut"), "shut", ["retry-join", "tell-error"]),
        ((*READY, "shut", "shut"), "shut", ["retry-join"]),
        ((*READY, "shut", "full"), "full", ["retry-join", "tell:full"]),
        (
            (*READY, "shut", "offer"),
            "ringing",
            ["stop-retrying", "show-visitor", "ring", "tell:ringing"],
        ),
        ((*READY, "full", "admitted"), "waiting", ["stop-retrying", "tell:online"]),
        ((*READY, "answer"), "waiting", []),
        ((*READY, "ended"), "waiting", []),
    ],
)
async def test_state_table(run, events, state, actions):
    shown, done = await walk(run, *events)
    assert shown == state
    assert actions is None or done == actions


# Every step that there is: the state before, the event, the state after, the actions.
ALL_STEPS = """async ({ INITIAL, step }) => {
  const events = (await (await fetch("/call.js")).text()).match(/"?[a-z-]+"?(?=: \\[)/g)
    .map((name) => name.replaceAll('"', ""));
  const seen = new Map([[JSON.stringify(INITIAL), INITIAL]]);
  const steps = [];
  for (const before of seen.values()) {
    for (const event of new Set(events)) {
      const { state, actions } = step(before, event);
      steps.push([before, event, state, actions]);
      const key = JSON.stringify(state);
      if (!seen.has(key)) seen.set(key, state);
    }
  }
  return steps;
}"""


@pytest.mark.parametrize(
    ("begun", "ended"),
    [
        ({"ringing"}, {"hush"}),
        ({"answering", "talking"}, {"close-microphone"}),
        ({"talking"}, {"part", "part:hung-up", "stop-clock"}),
        ({"ringing", "answering", "talking"}, {"part", "part:hung-up", "part:declined", "ring"}),
    ],
)
async def test_whatever_ends_a_state_ends_what_began_with_it(run, begun, ended):
    """The bell, the microphone, the clock, the connection: none goes on in a state without it."""
    ends = 0
    for before, event, after, actions in await run("call", ALL_STEPS):
        if before["call"] in begun and after["call"] not in begun:
            ends += 1
            assert ended & set(actions), (before, event)
    assert ends > 0


async def test_every_action_and_its_words_exist(run):
    """No row of the tables asks for what the intercom cannot do, or says what has no words."""
    actions = {action for *_, actions in await run("call", ALL_STEPS) for action in actions}
    missing = await run(
        "i18n",
        """async ({ WORDS }, actions) => {
          const source = await (await fetch("/intercom.js")).text();
          return actions.filter((action) => {
            const [verb, word] = action.split(":");
            const known = source.includes(`${verb}: (`) || source.includes(`"${verb}": (`);
            return !known || (verb === "tell" && !(word in WORDS.en));
          });
        }""",
        sorted(actions),
    )
    assert missing == []


async def test_a_door_is_silent_that_was_heard_and_is_not_any_more(run):
    """A browser forgets a source that has been silent for ten seconds, which is no sound of it."""
    told = await run(
        "peer",
        """async ({ Peer }) => {
          const told = [];
          const sources = [[], []];
          const receiver = (each) => ({ getSynchronizationSources: () => each });
          const getReceivers = () => sources.map(receiver);
          const connection = { connectionState: "connected", getReceivers };
          const look = { now: null, at: 0 };
          const real = { setInterval, now: performance.now };
          globalThis.setInterval = (listen) => (look.now = listen);
          performance.now = () => look.at;
          try {
            new Peer(connection, {
              onConnected() {},
              onUnstable: () => told.push("silent"),
              onStable: () => told.push("heard"),
            });
            connection.onconnectionstatechange();
            const after = (ms, [sound, picture]) => {
              look.at += ms;
              sources[0] = sound === null ? [] : [{ timestamp: sound }];
              sources[1] = picture === null ? [] : [{ timestamp: picture }];
              look.now();
            };
            after(60_000, [null, null]);
            told.push("-");
            after(250, [1, null]);
            after(250, [1, 2]);
            after(2_000, [1, 2]);
            after(8_000, [null, 2]);
            after(250, [null, null]);
            told.push("-");
            after(250, [9, null]);
          } finally {
            globalThis.setInterval = real.setInterval;
            performance.now = real.now;
          }
          return told;
        }""",
    )
    assert told == ["-", "silent", "-", "heard"]


async def test_both_languages_have_the_same_words(run):
    english, russian, empty = await run(
        "i18n",
        """({ WORDS }) => [
          Object.keys(WORDS.en), Object.keys(WORDS.ru),
          Object.values(WORDS).flatMap(Object.values).filter((word) => !word).length,
        ]""",
    )
    assert english == russian
    assert empty == 0


async def test_every_word_on_the_page_exists(run):
    """No key of the page or of a plain `translate("key")` lacks its word."""
    missing = await run(
        "i18n",
        """async ({ WORDS }) => {
          const files = ["index.html", "app.js", "intercom.js", "view.js"];
          const read = async (file) => (await fetch(`/${file}`)).text();
          const text = (await Promise.all(files.map(read))).join();
          const found = text.matchAll(/(?:data-t=|data-label=|translate\\()"([^"]+)"/g);
          return [...found].map(([, key]) => key).filter((key) => !(key in WORDS.en));
        }""",
    )
    assert missing == []


async def test_every_module_is_fetched_at_once():
    """The page names all of them, so that none waits for the one that imports it."""
    page = (WEB / "index.html").read_text()
    named = set(re.findall(r'<link rel="modulepreload" href="([^"]+)">', page))
    assert named == {file.name for file in WEB.glob("*.js")} - {"app.js"}


@pytest.mark.parametrize(
    ("languages", "picked"),
    [(["ru-RU", "en"], "ru"), (["de", "ru", "en"], "ru"), (["de"], "en"), ([], "en"), (None, "en")],
)
async def test_language(run, languages, picked):
    assert await run("i18n", "(m, languages) => m.pickLanguage(languages)", languages) == picked


@pytest.mark.parametrize(
    ("offer", "invited"),
    [
        (sdp(line="a=x-homecall:1\r\n"), True),
        (sdp(line="a=x-homecall:1\r\n").replace("\r\n", "\n"), True),
        (sdp(), False),
        (sdp(line="a=x-homecall:10\r\n"), False),
        (sdp(line="a=x-homecall:1\r\n").replace("m=application", "m=video"), False),
        (sdp() + "a=x-homecall:1\r\n", False),  # not at session level
    ],
)
async def test_the_invitation_to_the_control_channel(run, offer, invited):
    assert await run("sdp", "(m, offer) => m.invitesControl(offer)", offer) is invited


async def test_accepting_the_control_channel(run):
    assert await run("sdp", "(m, answer) => m.withControl(answer)", sdp()) == sdp(
        line="a=x-homecall:1\r\n"
    )


@pytest.mark.parametrize(
    ("offer", "call"),
    [
        (sdp(line="a=x-homecall:1\r\n") + "a=mid:7k0\r\nm=audio 9 X\r\na=mid:7k1\r\n", "7k0 7k1"),
        (sdp(line="a=x-homecall:1\r\n"), ""),
        (sdp() + "a=mid:0\r\n", ""),  # not one of our door's
    ],
)
async def test_the_call_of_an_offer(run, offer, call):
    assert await run("sdp", "(m, offer) => m.callOf(offer)", offer) == call


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (sdp(line="a=msid-semantic: WMS\r\n"), True),
        (sdp(fingerprint="aa:bb"), True),
        (sdp(ufrag="wxyz"), False),
        (sdp(fingerprint="CC:DD"), False),
        ("", False),
    ],
)
async def test_the_same_session(run, other, same):
    assert await run("sdp", "(m, a, b) => m.sameSession(a, b)", sdp(), other) is same


@pytest.mark.parametrize(
    ("candidate", "ufrag"),
    [
        ({"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag 5t/S network-id 1"}, "5t/S"),
        ({"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "usernameFragment": "a"}, "a"),
        ({"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host"}, None),
    ],
)
async def test_the_session_of_a_candidate(run, candidate, ufrag):
    assert await run("sdp", "(m, candidate) => m.ufragOf(candidate)", candidate) == ufrag


async def test_reconnecting_waits_half_a_second_to_three(run):
    shortest, longest = await run(
        "backoff",
        """({ delayMs }) => [() => 0, () => 0.999].map(
          (random) => [0, 1, 2, 3, 4, 5, 1000].map((attempt) => delayMs(attempt, random)))""",
    )
    assert shortest == [500, 1000, 2000, 3000, 3000, 3000, 3000]
    assert all(500 <= delay <= 3000 for delay in longest)
    assert longest[0] > shortest[0]


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ({"protocol": "https:", "host": "home.example"}, "wss://home.example/signal"),
        ({"protocol": "http:", "host": "127.0.0.1:8080"}, "ws://127.0.0.1:8080/signal"),
    ],
)
async def test_the_signaling_address(run, address, url):
    assert await run("link", "(m, address) => m.signalUrl(address)", address) == url


FLOOD = """async ({ Negotiation }, waitsForThePeer) => {
  let added = 0;
  let give;
  const peer = {
    owns: () => true,
    accept: async (sdp) => sdp,
    settle: async () => {},
    addCandidate: async () => (added += 1),
  };
  const given = new Promise((resolve) => (give = () => resolve(peer)));
  const nothing = () => {};
  const negotiation = new Negotiation({
    seal: { check: async () => "keyless", answer: async (_, answer) => answer },
    makePeer: () => given,
    send: nothing,
    handlers: { onProof: nothing, onOffer: nothing, onBadOffer: nothing },
  });
  const settled = () => new Promise((resolve) => setTimeout(resolve));
  negotiation.hear({ type: "offer", sdp: "" });
  if (!waitsForThePeer) give();
  for (let each = 0; each < 1000; each += 1) {
    negotiation.hear({ type: "candidate", candidate: { candidate: "candidate:1" } });
    if (!waitsForThePeer && each % 10 === 0) await settled();
  }
  give();
  await settled();
  return added;
}"""


@pytest.mark.parametrize(("waits_for_the_peer", "added"), [(False, 100), (True, 63)])
async def test_of_a_flood_of_candidates_few_are_taken(run, waits_for_the_peer, added):
    assert await run("negotiation", FLOOD, waits_for_the_peer) == added
