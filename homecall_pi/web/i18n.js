// The page's words, in English and Russian. Both tables have the same keys.

export const WORDS = {
  en: {
    title: "HomeCall",
    "title-ringing": "🔔 Somebody is at the door",
    picture: "Picture from the door",
    messages: "Messages",

    "no-room-head": "This link is incomplete",
    "no-room-text":
      "Open the whole link you were given, or ask for it again. It has “?room=” with a long code, and mostly “#k=” with another one.",
    "name-head": "What is your name?",
    "name-text": "It tells you from the others at home. You are asked only once.",
    "name-label": "Your name",
    "name-done": "Done",
    "name-cancel": "Cancel",
    "waiting-head": "Waiting for the door",
    "waiting-text": "Keep this page open. When somebody rings, you will see and hear them here.",
    "offline-head": "No connection",
    "offline-text": "The page keeps trying by itself. Check the internet if this lasts.",
    "full-head": "Open at somebody else's",
    "full-text":
      "The door rings on one page at a time, now on theirs. It rings here as soon as theirs is closed.",
    "shut-head": "Not let in",
    "shut-text":
      "The server does not let this page in now. The page keeps trying by itself. If this lasts, ask for a new link.",
    "replaced-head": "Open on another device",
    "replaced-text": "The page was opened elsewhere with your name, and rings there now.",
    "use-here": "Use here",
    "change-name": "Change name",
    "allow-microphone": "Allow microphone",
    "allow-notices": "Notify me of rings",
    missed: "A ring was missed",
    "missed-at": "Missed ring at",

    "at-the-door": "At the door",
    "in-call": "In the call",
    door: "The door",
    answer: "Answer",
    decline: "Decline",
    "hang-up": "Hang up",
    mute: "Mute",
    "microphone-retry": "Turn the microphone on",
    volume: "Volume of the visitor",
    "full-screen": "Full screen",
    "exit-full-screen": "Leave full screen",
    elapsed: "Time of the call",
    "unblock-sound": "Touch to turn the sound on",
    verified: "Verified",
    "unverified-note": "not verified",
    unverified: "Not verified: somebody else may see and hear this call",
    refused: "A ring was refused. It may not come from your door, or your link is too old.",
    "link-too-old": "The door may not accept this link any more. Ask for the new one.",
    "release-is-closed": "Open the door",
    "release-is-sure": "Touch again to open",
    "release-is-asked": "Opening…",
    "release-is-open": "The door is open",
    "release-failed": "The door did not open",

    online: "Connected",
    offline: "Server not reached, trying again",
    full: "Open at somebody else's",
    replaced: "Opened on another device",
    ringing: "Somebody is at the door",
    connecting: "Connecting…",
    talking: "You can talk now",
    declined: "Declined",
    "hung-up": "Call ended",
    resumed: "The call goes on",
    reconnecting: "Bad connection, please wait…",
    "reconnecting-note": "reconnecting…",
    "ended-hung-up": "The door has hung up",
    "ended-no-answer": "Nobody answered in time",
    "ended-too-long": "The call reached its time limit",
    "ended-failed": "The connection to the door failed",
    "ended-declined": "The call was declined",
    "ended-lost": "The call has ended",
    "bad-offer": "A ring came that this browser cannot answer",
    "microphone-on": "Microphone on",
    "microphone-muted": "Microphone muted",
    "microphone-denied": "No microphone: you can hear, but not be heard",
    "microphone-note": "no microphone",
    "microphone-allowed": "The microphone is ready",
    "not-served": "The server does not know this link. Ask for a new one.",
    "not-admitted": "The server does not let this page in. Is the link open on another page, too?",
    "server-full": "The server is busy, and will be tried again",
    "too-much": "The server was asked too much, and will be tried again",
    "not-understood": "The server did not understand this page. Load it anew.",
    "server-says": "Server:",
    unsupported: "This browser cannot make calls. Please use a newer one.",
  },

  ru: {
    title: "ДомоЗвон",
    "title-ringing": "🔔 Кто-то у двери",
    picture: "Изображение от двери",
    messages: "Сообщения",

    "no-room-head": "Ссылка неполная",
    "no-room-text":
      "Откройте присланную ссылку целиком или попросите её ещё раз. В ней есть «?room=» с длинным кодом и обычно «#k=» с другим.",
    "name-head": "Как вас зовут?",
    "name-text": "Чтобы отличать вас от других домашних. Спрашиваем один раз.",
    "name-label": "Ваше имя",
    "name-done": "Готово",
    "name-cancel": "Отмена",
    "waiting-head": "Ждём звонка",
    "waiting-text": "Не закрывайте страницу. Когда позвонят в дверь, вы увидите и услышите гостя.",
    "offline-head": "Нет связи",
    "offline-text": "Страница подключится сама. Если долго не выходит, проверьте интернет.",
    "full-head": "Открыто у кого‑то другого",
    "full-text":
      "Дверь звонит только на одну страницу, сейчас на ту. Когда её закроют, звонить будет здесь.",
    "shut-head": "Вход закрыт",
    "shut-text":
      "Сервер сейчас не пускает эту страницу. Она попробует ещё сама. Если долго не выходит, попросите новую ссылку.",
    "replaced-head": "Открыто на другом устройстве",
    "replaced-text": "Страницу с вашим именем открыли в другом месте, теперь звонит там.",
    "use-here": "Перенести сюда",
    "change-name": "Сменить имя",
    "allow-microphone": "Разрешить микрофон",
    "allow-notices": "Уведомлять о звонках",
    missed: "Пропущен звонок",
    "missed-at": "Пропущен звонок в",

    "at-the-door": "У двери",
    "in-call": "Разговор",
    door: "Дверь",
    answer: "Ответить",
    decline: "Отклонить",
    "hang-up": "Завершить",
    mute: "Выключить микрофон",
    "microphone-retry": "Включить микрофон",
    volume: "Громкость гостя",
    "full-screen": "Во весь экран",
    "exit-full-screen": "Выйти из полного экрана",
    elapsed: "Время разговора",
    "unblock-sound": "Коснитесь, чтобы включить звук",
    verified: "Проверено",
    "unverified-note": "не проверено",
    unverified: "Не проверено: разговор может видеть и слышать кто-то ещё",
    refused: "Звонок отклонён: он, возможно, не от вашей двери, или ваша ссылка устарела.",
    "link-too-old": "Возможно, дверь больше не принимает эту ссылку. Попросите новую.",
    "release-is-closed": "Открыть дверь",
    "release-is-sure": "Коснитесь ещё раз",
    "release-is-asked": "Открываем…",
    "release-is-open": "Дверь открыта",
    "release-failed": "Дверь не открылась",

    online: "На связи",
    offline: "Сервер недоступен, подключаемся снова",
    full: "Открыто у кого-то другого",
    replaced: "Открыто на другом устройстве",
    ringing: "Кто-то у двери",
    connecting: "Соединяем…",
    talking: "Можно говорить",
    declined: "Звонок отклонён",
    "hung-up": "Разговор завершён",
    resumed: "Разговор продолжается",
    reconnecting: "Плохая связь, подождите…",
    "reconnecting-note": "восстанавливаем связь…",
    "ended-hung-up": "У двери положили трубку",
    "ended-no-answer": "Никто не успел ответить",
    "ended-too-long": "Время разговора вышло",
    "ended-failed": "Не удалось соединиться с дверью",
    "ended-declined": "Звонок отклонён",
    "ended-lost": "Разговор закончился",
    "bad-offer": "Пришёл звонок, на который этот браузер не может ответить",
    "microphone-on": "Микрофон включён",
    "microphone-muted": "Микрофон выключен",
    "microphone-denied": "Микрофона нет: вы слышите, но вас не слышно",
    "microphone-note": "микрофона нет",
    "microphone-allowed": "Микрофон готов",
    "not-served": "Сервер не знает этой ссылки. Попросите новую.",
    "not-admitted": "Сервер не пускает эту страницу. Может быть, ссылка открыта где-то ещё?",
    "server-full": "Сервер занят, попробуем ещё раз",
    "too-much": "Слишком много запросов к серверу, попробуем снова",
    "not-understood": "Сервер не понял эту страницу. Загрузите её заново.",
    "server-says": "Сервер:",
    unsupported: "Этот браузер не умеет звонить. Возьмите браузер поновее.",
  },
};

/** The first language of the list that the page speaks; English when there is none. */
export function pickLanguage(languages) {
  const wanted = (languages ?? []).map((tag) => tag.toLowerCase().split("-")[0]);
  return wanted.find((tag) => Object.hasOwn(WORDS, tag)) ?? "en";
}

// What servers say in English, ours and deployed ones: a pattern, and the key of the page's words.
const SAID = [
  [/room is not served/i, "not-served"],
  [/unable to join/i, "not-admitted"],
  [/server is full/i, "server-full"],
  [/too many messages/i, "too-much"],
  [/malformed message|message too large/i, "not-understood"],
];
// Of these, the ones that answer a join: the page is not in its room.
const SHUT = new Set(["not-served", "not-admitted", "server-full"]);

/** What became of a join by a server's error: "full", "shut", or "" for an error of another kind. */
export function refusalIn(text) {
  if (/room is .*full/i.test(text)) return "full";
  return SHUT.has(keyOf(text)) ? "shut" : "";
}

/** Whether a server's error tells that the offer, which it has delivered, is good for nothing now. */
export function isWithdrawal(text) {
  return text === "the call was withdrawn";
}

/** What a server says, in the language of the page if it is known, or else in its own words. */
export function wordsOfServer(text, translate) {
  const key = keyOf(text);
  return key ? translate(key) : `${translate("server-says")} ${text}`;
}

function keyOf(text) {
  return SAID.find(([pattern]) => pattern.test(text))?.[1];
}

/** A function from a key to the word in that language. */
export function translator(language) {
  return (key) => WORDS[language][key];
}
