// The page of the sandbox. It polls once a second and draws only what changed, so that typing is never disturbed.
import { chats } from "/chats.js";
import { groups } from "/groups.js";
import { robots } from "/robots.js";
import { storage } from "/storage.js";
import { stages as stageNames, words } from "/words.js";

const $ = (id) => document.getElementById(id);
const seen = new WeakMap();
const now = { lang: localStorage.lang === "en" ? "en" : "ru", phone: null, messenger: null, line: null, quote: null, portal: null, deal: null, shift: 0, data: {} };
const w = () => words[now.lang];

const h = (tag, attrs = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs)) {
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
};

// Draws again only when what is drawn has changed.
const draw = (node, key, make) => {
  const print = JSON.stringify([now.lang, key]);
  if (seen.get(node) === print) return false;
  seen.set(node, print);
  node.replaceChildren(...[make()].flat());
  return true;
};

const call = async (path, body, method = body === undefined ? "GET" : "POST") => {
  const options = { method, headers: body === undefined ? {} : { "content-type": "application/json" } };
  if (body !== undefined) options.body = JSON.stringify(body);
  const reply = await fetch(path, options);
  const told = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(typeof told.error === "string" ? told.error : `HTTP ${reply.status}`);
  return told;
};

const act = async (work) => {
  try {
    await work();
  } catch (error) {
    const toast = h("p", { class: "toast", "data-test": "toast" }, `${w().failed}: ${error.message}`);
    $("toasts").append(toast);
    setTimeout(() => toast.remove(), 6000);
  }
  await poll();
};

const time = (at) => new Date(at).toLocaleTimeString(now.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const pretty = (phone) => String(phone).replace(/^\+?(\d)(\d{3})(\d{3})(\d{2})(\d{2})$/, "+$1 $2 $3-$4-$5");
const until = (at) => {
  const left = Math.ceil((at - (Date.now() + now.shift)) / 1000);
  if (left <= 0) return w().now;
  return left < 90 ? `${left} ${w().s}` : `${Math.ceil(left / 60)} ${w().m}`;
};
const plain = (name) => (name && typeof name === "object" ? (name[now.lang] ?? Object.values(name)[0]) : name) ?? "";
const chip = (text, kind) => h("span", { class: `chip ${kind}` }, text);

// Phones

const drawPhones = (phones) => {
  const many = phones.slice(0, 24);
  if (!many.some((phone) => phone.id === now.phone)) now.phone = many[0]?.id ?? null;
  $("no-phones").hidden = many.length > 0;
  $("phone").hidden = many.length === 0;
  $("phones-count").textContent = phones.length || "";
  draw($("phone-list"), [many.map((phone) => [phone.id, phone.name, phone.received]), now.phone], () =>
    many.map((phone) =>
      h("button", { type: "button", class: "tab", "data-test": `phone-${phone.id}`, "aria-pressed": String(phone.id === now.phone), onclick: () => { now.phone = phone.id; now.messenger = null; now.quote = null; render(); } },
        h("b", {}, phone.name), h("span", {}, pretty(phone.id)), phone.received > 0 ? h("i", { class: "count", title: w().sent }, String(phone.received)) : null)));
  const phone = many.find((one) => one.id === now.phone);
  if (phone) drawPhone(phone);
};

const drawPhone = (phone) => {
  const used = (kind) => phone.messages.filter((message) => message.messenger === kind);
  if (!now.messenger) now.messenger = phone.messages.at(-1)?.messenger ?? "waba";
  $("owner").textContent = phone.name;
  $("number").textContent = now.messenger === "email" ? phone.email : pretty(phone.id);
  $("avatar").textContent = phone.name.slice(0, 1);
  $("phone").dataset.messenger = now.messenger;
  drawCompose(used);
  drawLinking(phone);
  drawGroups(phone);
  draw($("messengers"), [now.messenger], () =>
    [["waba", "WhatsApp"], ["whatsapp_web", "WA Web"], ["telegram", "Telegram"], ["telegram_bot", w().bot], ["vk", w().vk], ["vk_notify", "VK Notify"], ["avito", w().avito], ["email", w().email]].map(([kind, name]) =>
      h("button", { type: "button", "data-test": `messenger-${kind}`, "aria-pressed": String(kind === now.messenger), onclick: () => { now.messenger = kind; now.line = null; now.quote = null; render(); } }, name)));
  const shown = used(now.messenger).slice(-60);
  if (draw($("talk"), [phone.id, now.messenger, shown], () => (shown.length ? shown.map(drawBubble) : h("p", { class: "hush" }, w().messages, now.messenger === "telegram_bot" ? startButton() : "")))) {
    $("talk").scrollTop = $("talk").scrollHeight;
  }
};

// Where a message goes, where there is a choice; a letter has a subject
const drawCompose = (used) => {
  const letter = now.messenger === "email";
  // a notification takes no answer: whoever has one writes to the community
  const mute = now.messenger === "vk_notify";
  const lines = now.data.accounts.filter((one) => one.messenger === now.messenger).map((one) => [one.line, one.title]);
  if (!lines.some(([line]) => line === now.line)) now.line = used(now.messenger).at(-1)?.line ?? null;
  if (!lines.some(([line]) => line === now.line)) now.line = lines[0]?.[0] ?? null;
  $("line").hidden = mute || lines.length < 2;
  choose($("line"), lines, now.line);
  $("subject").hidden = !letter;
  $("file").hidden = mute;
  $("say").rows = letter ? 4 : 1;
  $("say").disabled = mute;
  $("send").hidden = mute;
  $("say").placeholder = mute ? w().mute : w().typing;
  $("subject").placeholder = now.quote ? w().answers : w().subject;
  $("read").hidden = ["telegram_bot", "email"].includes(now.messenger);
};

// Linked devices of this phone: codes that wait to be scanned, and devices that can be removed
const drawLinking = (phone) => {
  if (now.messenger === "telegram") return drawSignIn(phone);
  const sessions = now.messenger === "whatsapp_web" ? now.data.sessions : [];
  const waiting = sessions.filter((one) => one.status === "SCAN_QR_CODE");
  const mine = sessions.filter((one) => one.me?.[0] === phone.id);
  $("linking").hidden = waiting.length + mine.length === 0;
  const button = (test, text, path, body) => h("button", { type: "button", class: "quiet", "data-test": test, onclick: () => act(() => call(path, body)) }, text);
  draw($("linking"), [phone.id, waiting, mine], () => [
    ...waiting.map((one) => button(`scan-${one.name}`, `${w().scan} ${one.name}`, `/_/waha/sessions/${one.name}/scan`, { phone: phone.id, name: phone.name, qr: one.qr })),
    ...mine.map((one) => button(`unlink-${one.name}`, `${w().unlink} ${one.name}`, `/_/waha/sessions/${one.name}/remove`, {})),
  ]);
};

// Signing in to a Telegram account: the code that its owner sees, and QR codes that wait to be scanned
const drawSignIn = (phone) => {
  const accounts = now.data.telegram.filter((one) => one.code || one.waiting.length);
  $("linking").hidden = accounts.length === 0;
  draw($("linking"), [phone.id, accounts], () =>
    accounts.flatMap((one) => [
      one.code ? h("span", { "data-test": `code-${one.id}` }, `${w().signInCode} ${pretty(one.phone)}: ${one.code}`) : null,
      ...one.waiting.slice(-1).map((text) => h("button", { type: "button", class: "quiet", "data-test": `scan-${one.id}`, onclick: () => act(() => call(`/_/mtproto/accounts/${one.id}/scan`, { text })) }, `${w().scanAccount} ${one.name}`)),
    ]));
};

const startButton = () => h("button", { type: "button", class: "quiet", "data-test": "phone-start", onclick: () => act(() => say("/start")) }, w().startBot);
const say = (text, more = {}) => call(`/_/phones/${now.phone}/say`, { messenger: now.messenger, text, ...(now.line ? { line: now.line } : {}), ...more });

// A file that was chosen, as the control takes it; none where none was
const chosenFile = async (input) => {
  const [file] = input.files;
  if (!file) return null;
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return { name: file.name, mime: file.type || "application/octet-stream", base64: url.slice(url.indexOf(",") + 1) };
};

// What a message has beside its text
const moreParts = async () => {
  const file = await chosenFile($("file"));
  const letter = now.messenger === "email";
  const subject = letter && $("subject").value.trim();
  const kind = !letter && file?.mime.startsWith("image/") ? { kind: "image" } : {};
  return { ...(subject ? { subject } : {}), ...(letter && now.quote ? { quote: now.quote } : {}), ...(file ? { media: { ...file, ...kind } } : {}) };
};

const drawBubble = (message) => {
  const mine = message.direction === "said";
  const ticks = mine || message.messenger === "telegram_bot" ? "" : { sent: "✓", delivered: "✓✓", read: "✓✓" }[message.status] ?? "";
  const media = message.media ? h("span", { class: "file" }, `${w().kinds[message.kind] ?? w().kinds.document} · ${message.media.name || "—"} · ${Math.max(1, Math.round(message.media.size / 1024))} KB`) : null;
  const reactions = [message.reaction, message.own_reaction].filter(Boolean);
  const pressed = (text, back) => h("button", { type: "button", class: "press", onclick: () => act(() => say(text, { press: back || text, quote: message.id })) }, text);
  return h("div", { class: `bubble ${mine ? "mine" : "theirs"} ${message.status}`, "data-test": `bubble-${message.n}` },
    message.subject ? h("span", { class: "subject" }, message.subject) : null,
    media, message.text ? h("span", { class: "words" }, message.status === "deleted" ? w().statuses.deleted : message.text) : null,
    message.messenger === "email" && !mine ? h("button", { type: "button", class: "answer", "data-test": `answer-${message.n}`, onclick: () => { now.quote = message.id; now.line = message.line; render(); $("say").focus(); } }, w().answer) : null,
    h("small", {}, message.edited ? `${w().edited} · ` : "", time(message.at), ticks ? h("i", { class: `ticks ${message.status}`, title: w().statuses[message.status] }, ` ${ticks}`) : null),
    message.buttons.length ? h("div", { class: "buttons" }, ...message.buttons.map(([text, back]) => (back.startsWith("https://") ? h("span", { class: "press" }, `${text} ↗`) : pressed(text, back)))) : null,
    reactions.length ? h("div", { class: "buttons", "data-test": `reactions-${message.n}` }, ...reactions.map((emoji) => h("span", { class: "reaction" }, emoji))) : null);
};

// What a person types in the cabinet to attach what is here: as each vendor's own cabinet would show it

const kinds = () => ({ telegram: "Telegram", telegram_bot: w().bot, waba: "WhatsApp Business", vk: w().vk, vk_notify: "VK Notify", avito: w().avito, email: w().email });

const drawAccounts = (accounts) => draw($("accounts"), accounts, () => accounts.map((one) =>
  h("details", { "data-test": `account-${one.messenger}-${one.line}` },
    h("summary", {}, h("b", {}, kinds()[one.messenger] ?? one.messenger), ` · ${one.title}`),
    h("dl", {}, ...one.fields.flatMap(([name, value]) => [h("dt", {}, w().fields[name] ?? name), h("dd", { "data-test": name }, value)])),
    one.messenger === "waba" ? hookForm(one) : null)));

// The webhook of WhatsApp is entered in the console of Meta; this is the console
const hookForm = (one) => h("form", { onsubmit: (event) => { event.preventDefault(); act(() => setHook(one, event.target.url.value.trim())); } },
  h("label", {}, h("span", {}, w().hook), h("input", { name: "url", "data-test": "hook-url", type: "url", required: true })),
  h("button", { class: "quiet", "data-test": "hook-verify" }, w().verify));

const setHook = async (one, webhook) => {
  const path = `/_/waba/accounts/${one.fields.find(([name]) => name === "waba_id")[1]}`;
  await call(path, { webhook, subscribed: true });
  const told = await call(`${path}/verify`, {});
  if (!told.verified) throw new Error(told.reason);
};

// The deal

const choose = (node, options, chosen) => {
  draw(node, [options, chosen], () => options.map(([value, text]) => h("option", { value, selected: value === String(chosen) }, text)));
};

const drawPortal = (portals) => {
  if (!portals.some((portal) => portal.name === now.portal)) now.portal = portals[0]?.name ?? null;
  const portal = portals.find((one) => one.name === now.portal);
  $("no-portal").hidden = Boolean(portal);
  $("crm").hidden = !portal;
  $("portal").hidden = portals.length < 2;
  $("to-portal").href = `/portal?name=${encodeURIComponent(now.portal ?? "demo")}&lang=${now.lang}`;
  choose($("portal"), portals.map((one) => [one.name, one.name]), now.portal);
  if (!portal) return;
  const deals = portal.crm.deals;
  if (!deals.some((deal) => deal.id === now.deal)) now.deal = deals[0]?.id ?? null;
  const deal = deals.find((one) => one.id === now.deal);
  choose($("deals"), deals.map((one) => [String(one.id), `№ ${one.id} · ${one.title}`]), now.deal);
  $("deal-meta").textContent = deal ? `${deal.contact.name} · ${pretty(deal.contact.phone)} · ${deal.amount.toLocaleString(now.lang)} ₽` : "";
  draw($("stages"), [portal.crm.stages, deal?.stage, Object.keys(portal.robots).length], () =>
    portal.crm.stages.map((stage) =>
      h("button", { type: "button", class: "stage", "data-test": `stage-${stage.id}`, "aria-pressed": String(stage.id === deal?.stage), onclick: () => act(() => move(stage.id)) },
        stage.id === robot.stage && Object.keys(portal.robots).length ? "⚡ " : "", stageNames[now.lang]?.[stage.id] ?? stage.name)));
  robot.draw(portal, deal);
  drawStorage(portal, deal);
  draw($("timeline"), deal?.comments ?? [], () => (deal?.comments.length ? deal.comments.toReversed().map((comment) => h("li", {}, h("small", {}, time(comment.at)), comment.text)) : h("li", { class: "hush" }, w().noComments)));
};

const move = (stage) => (stage === robot.stage && $("robots").value ? robot.fire() : call(`/_/b24/${now.portal}/deals/${now.deal}/stage`, { stage }));

// The letter of CRM marketing

const drawLetter = (portal, letter) => {
  const senders = Object.entries(portal?.senders ?? {});
  $("no-sender").hidden = senders.length > 0;
  $("letter").hidden = senders.length === 0;
  choose($("senders"), senders.map(([code, sender]) => [code, plain(sender.NAME) || code]), $("senders").value || senders[0]?.[0]);
  const messages = letter?.messages ?? [];
  draw($("letter-status"), messages, () => {
    if (!messages.length) return [];
    const counts = {};
    for (const message of messages) counts[message.pushed.length ? message.status : "waiting"] = (counts[message.pushed.length ? message.status : "waiting"] ?? 0) + 1;
    const sums = h("div", { class: "sums" }, ...Object.entries(counts).map(([status, count]) => chip(`${w().statuses[status] ?? w().waits} ${count}`, tone(status))));
    const rows = messages.slice(0, 100).map((message, n) =>
      h("tr", { "data-test": `letter-row-${n}` }, h("td", {}, pretty(message.to)), h("td", {}, message.pushed.length ? chip(w().statuses[message.status], tone(message.status)) : chip(w().waits, "wait")), h("td", {}, message.pushed.length ? time(message.pushed.at(-1)[1]) : "")));
    return [sums, h("div", { class: "scroll" }, h("table", {}, h("tbody", {}, ...rows)))];
  });
};

const tone = (status) => ({ delivered: "good", sent: "calm", queued: "calm", undelivered: "bad", failed: "bad" })[status] ?? "wait";

// The queue of Switchboard

const pass = (path) => act(() => call(`/_/switchboard/api/v1/${path}`, {}));

const drawQueue = (queue) => {
  if (!queue) {
    draw($("queue"), null, () => h("p", { class: "hush" }, w().noQueue));
    $("queue-note").textContent = "";
    return;
  }
  now.shift = queue.now - Date.now();
  const total = queue.lanes.reduce((sum, lane) => sum + lane.waiting, 0);
  $("queue-note").textContent = `${w().waiting}: ${total}`;
  draw($("queue"), queue.lanes, () => (queue.lanes.length ? queue.lanes.map(drawLane) : h("p", { class: "hush" }, w().emptyQueue)));
};

const drawLane = (lane) => {
  const tones = { running: "good", paused: "wait", held: "wait", lost: "bad", closed: "calm" };
  const paused = lane.state === "paused";
  const errands = lane.errands.slice(0, 8).map((errand) =>
    h("li", { "data-test": `errand-${errand.id}`, class: errand.state },
      h("span", { class: "rank", title: w().ranks[errand.rank] }, String(errand.rank)),
      h("span", { class: "to" }, pretty(errand.to)), h("span", { class: "cut" }, errand.text),
      errand.eta_at ? h("time", { "data-until": errand.eta_at }, until(errand.eta_at)) : h("time", {}, "—")));
  return h("article", { class: "lane", "data-test": `lane-${lane.id}` },
    h("header", {}, h("b", {}, lane.title), chip(w().lanes[lane.state] ?? lane.state, tones[lane.state] ?? "calm")),
    h("p", { class: "meta" }, `${w().waiting}: ${lane.waiting}`, lane.in_flight ? ` · ↑ ${lane.in_flight}` : "", lane.next_at && !paused ? [` · ${w().next} `] : "", lane.next_at && !paused ? h("time", { class: "big", "data-test": `countdown-${lane.id}`, "data-until": lane.next_at }, until(lane.next_at)) : ""),
    h("ul", { class: "errands" }, ...errands), lane.waiting > errands.length ? h("p", { class: "hush" }, `+${lane.waiting - errands.length}`) : null,
    h("div", { class: "acts" }, h("button", { type: "button", class: "quiet", "data-test": paused ? `lane-resume-${lane.id}` : `lane-pause-${lane.id}`, onclick: () => pass(`lanes/${lane.id}/${paused ? "resume" : "pause"}`) }, paused ? w().resume : w().pause)));
};

const drawMailings = (told) => {
  const mailings = told?.mailings ?? [];
  draw($("mailings"), mailings, () => (mailings.length ? mailings.map(drawMailing) : h("p", { class: "hush" }, w().noMailings)));
};

const drawMailing = (mailing) => {
  const counts = Object.entries(mailing.counts).filter(([, count]) => count > 0);
  const gone = ["sent", "delivered", "viewed", "error", "unknown"].reduce((sum, key) => sum + (mailing.counts[key] ?? 0), 0);
  const live = mailing.state === "running" || mailing.state === "paused";
  const button = (word, kind) => h("button", { type: "button", class: kind, "data-test": word, onclick: () => (word !== "stop" || confirm(w().confirmStop.replace("{0}", mailing.title))) && pass(`mailings/${mailing.id}/${word}`) }, w()[word]);
  return h("article", { class: "lane", "data-test": `mailing-${mailing.id}`, "data-state": mailing.state },
    h("header", {}, h("b", {}, mailing.title), chip(w().runs[mailing.state] ?? mailing.state, { running: "good", paused: "wait", stopped: "bad" }[mailing.state] ?? "calm")),
    h("progress", { max: Math.max(1, mailing.total), value: gone, "aria-label": mailing.title }),
    h("p", { class: "meta" }, `${gone} ${w().of} ${mailing.total} · ${counts.map(([key, count]) => `${w().counts[key] ?? key} ${count}`).join(" · ")}`),
    live ? h("div", { class: "acts" }, mailing.state === "running" ? button("pause", "quiet") : button("resume", "quiet"), button("stop", "danger")) : null);
};

// Open lines

const drawChats = chats({ $, h, draw, call, act, w, time, now, chosenFile });

// Parts of the page that have a file of their own

const drawGroups = groups({ $, h, draw, call, act, w, chip, now });
const drawStorage = storage({ $, h, draw, call, act, w, now, chosenFile });
const robot = robots({ $, h, draw, call, w, plain, chip, time, choose, now });

// Life of the page

const render = () => {
  const { phones, portals, steps, letter, queue, mailings, accounts } = now.data;
  if (!phones) return;
  drawAccounts(accounts);
  drawPhones(phones);
  drawPortal(portals);
  robot.drawSteps(steps, portals.find((portal) => portal.name === now.portal)?.robots ?? {});
  drawLetter(portals.find((portal) => portal.name === now.portal), letter);
  drawQueue(queue);
  drawMailings(mailings);
  drawChats(now.data.chats ?? []);
};

// answers of two polls may change places: an older one shows nothing any more
let polls = 0;
let shown = 0;

const poll = async () => {
  const turn = (polls += 1);
  try {
    const quiet = (path) => call(path).catch(() => null);
    const [phones, portals, gateway, telegram, { accounts }, queue, mailings] = await Promise.all([call("/_/phones?messages=60&limit=24"), call("/_/b24"), call("/_/waha"), call("/_/mtproto/accounts"), call("/_/accounts"), quiet("/_/switchboard/api/v1/queue"), quiet("/_/switchboard/api/v1/mailings")]);
    const portal = portals.portals.find((one) => one.name === now.portal) ?? portals.portals[0];
    const deal = portal?.crm.deals.find((one) => one.id === now.deal) ?? portal?.crm.deals[0];
    const [steps, letter, { chats: talks }] = portal ? await Promise.all([call(`/_/b24/${portal.name}/steps?limit=30&deal=${deal?.id ?? 0}`), call(`/_/b24/${portal.name}/letters/last`), call(`/_/b24/${portal.name}/chats`)]) : [{ steps: [] }, null, { chats: [] }];
    if (turn < shown) return;
    shown = turn;
    now.data = { phones: phones.phones, portals: portals.portals, sessions: gateway.sessions, closed: gateway.closed, telegram: telegram.accounts, accounts, steps: steps.steps, letter, queue, mailings, chats: talks };
    $("offline").hidden = true;
    render();
  } catch {
    $("offline").hidden = false;
  }
};

const speak = (lang) => {
  now.lang = lang;
  localStorage.lang = lang;
  document.documentElement.lang = lang;
  document.title = `${w().title} Switchboard`;
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = w()[node.dataset.word] ?? "";
  for (const node of document.querySelectorAll("[data-lang]")) node.setAttribute("aria-pressed", String(node.dataset.lang === lang));
  if (!$("letter-text").value || Object.values(words).some((one) => $("letter-text").value === first(one))) $("letter-text").value = first(w());
  render();
};

const first = (of) => (of === words.ru ? "{name}, скидка 20 % на доставку до конца недели." : "{name}, delivery is 20 % off until the end of the week.");

for (const node of document.querySelectorAll("[data-lang]")) node.addEventListener("click", () => speak(node.dataset.lang));
$("portal").addEventListener("change", (event) => { now.portal = event.target.value; now.deal = null; poll(); });
$("deals").addEventListener("change", (event) => { now.deal = Number(event.target.value); render(); poll(); });
$("robots").addEventListener("change", render);
$("robot").addEventListener("submit", (event) => { event.preventDefault(); act(robot.fire); });
$("read").addEventListener("click", () => act(() => call(`/_/phones/${now.phone}/read`, {})));
$("compose").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("say").value.trim();
  if (text || $("file").value) act(async () => { await say(text, await moreParts()); for (const name of ["say", "subject", "file"]) $(name).value = ""; now.quote = null; });
});
// a message is sent by Enter, a letter has lines
$("say").addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || now.messenger === "email") return;
  event.preventDefault();
  $("compose").requestSubmit();
});
$("line").addEventListener("change", (event) => { now.line = event.target.value; render(); });
$("letter").addEventListener("submit", (event) => {
  event.preventDefault();
  act(() => call(`/_/b24/${now.portal}/letters`, { code: $("senders").value, text: $("letter-text").value, count: Number($("count").value) || 1, kind: "sender" }));
});

speak(now.lang);
poll();
setInterval(poll, 1000);
setInterval(() => {
  for (const node of document.querySelectorAll("[data-until]")) node.textContent = until(Number(node.dataset.until));
}, 250);
