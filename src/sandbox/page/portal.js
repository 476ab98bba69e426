// A portal in the browser. It opens pages of the app as the vendor's documentation tells: a form is posted into a frame whose name is
// "host|protocol|sid", and the page asks for things by messages "command:parameters:key:sid", which are answered "key:json".

const words = {
  ru: { employee: "Сотрудник", language: "Язык", keep: "Сохранить", app: "Приложение Switchboard", center: "Контакт-центр", cards: "CRM", robots: "Роботы", noTab: "У этой карточки нет вкладки приложения.", connectors: "Коннекторы", line: "Открытая линия", set: "Настроить", install: "Установка", asked: "Страница спросила", admin: "администратор", opened: "Портал открыл", lines: "Открытые линии", connect: "Подключить", kept: "Робот сохранён", deal: "Сделка", lead: "Лид", contact: "Контакт", robotHint: "Так открываются настройки робота в дизайнере автоматизации.", centerHint: "Коннекторы приложения. Выберите открытую линию, как это делает Контакт-центр." },
  en: { employee: "Employee", language: "Language", keep: "Save", app: "Switchboard application", center: "Contact center", cards: "CRM", robots: "Robots", noTab: "This card has no tab of the application.", connectors: "Connectors", line: "Open line", set: "Configure", install: "Installation", asked: "The page asked for", admin: "administrator", opened: "The portal opened", lines: "Open lines", connect: "Connect", kept: "The robot is saved", deal: "Deal", lead: "Lead", contact: "Contact", robotHint: "The designer of automations opens the settings of a robot like this.", centerHint: "Connectors of the application. Choose an open line, as the contact center does." },
};
const $ = (id) => document.getElementById(id);
const query = new URLSearchParams(location.search);
const name = query.get("name") ?? "demo";
const now = { user: Number(query.get("user") ?? 1), lang: query.get("lang") === "en" ? "en" : "ru", portal: null, cards: [], at: null };
const frames = new Map();
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
const call = async (path, body) => {
  const options = body === undefined ? {} : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const reply = await fetch(path, options);
  const told = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new Error(typeof told.error === "string" ? told.error : `HTTP ${reply.status}`);
  return told;
};
const act = (work) => work().catch((error) => {
  const toast = h("p", { class: "toast" }, error.message);
  $("toasts").append(toast);
  setTimeout(() => toast.remove(), 6000);
});
const plain = (text) => (text && typeof text === "object" ? (text[now.lang] ?? Object.values(text)[0]) : text) ?? "";
const log = (text) => {
  $("log").append(h("li", { "data-test": "asked" }, text));
  $("log").scrollTop = $("log").scrollHeight;
};

/** Opens a page of the app in a place; `what` is `{ url?, placement?, options?, robot? }`. */
const open = async (place, what) => {
  for (const [sid, frame] of frames) if (frame.place === place) frames.delete(sid);
  const told = await call(`/_/b24/${name}/frame`, { ...what, user: now.user, lang: now.lang });
  const target = `${location.host}|${location.protocol === "https:" ? 1 : 0}|${told.sid}`;
  const iframe = h("iframe", { name: target, title: "Switchboard", height: what.robot ? "350" : "480", "data-test": "app-frame" });
  const form = h("form", { method: "post", action: told.url, target }, ...Object.entries(told.fields).map(([key, value]) => h("input", { type: "hidden", name: key, value })));
  place.replaceChildren(iframe);
  document.body.append(form);
  frames.set(told.sid, { ...told, place, what, iframe });
  form.submit();
  form.remove();
  log(`${w().opened}: ${what.placement ?? "DEFAULT"}`);
};

const slide = async (title, what) => {
  $("slider-title").textContent = title;
  $("slider-acts").hidden = !what.robot;
  $("veil").hidden = false;
  $("close").focus();
  await open($("slider"), what);
};
const unslide = () => {
  for (const [sid, frame] of frames) if (frame.place === $("slider")) frames.delete(sid);
  $("slider").replaceChildren();
  $("veil").hidden = true;
  void act(load);
};

/** What pages may ask for. The answer goes back to the page; null answers nothing. */
const commands = {
  getInitData: (frame) => ({ DOMAIN: location.host, PROTOCOL: location.protocol === "https:" ? "1" : "0", PATH: `/b24/${name}/rest`, ...frame.init }),
  setInstall: () => true,
  setInstallFinish: async (frame) => {
    await call(`/_/b24/${name}/finish`, {});
    await load();
    await open(frame.place, {});
    return null;
  },
  refreshAuth: async () => {
    const told = await call(`/_/b24/${name}/tokens`, { user: now.user });
    return { AUTH_ID: told.access_token, REFRESH_ID: told.refresh_token, AUTH_EXPIRES: "3600" };
  },
  resizeWindow: (frame, given) => {
    // a dialog of a robot keeps its height
    if (!frame.what.robot && given.height > 0) frame.iframe.style.height = `${Math.ceil(given.height)}px`;
    return { width: given.width, height: given.height };
  },
  reloadWindow: (frame) => open(frame.place, frame.what).then(() => null),
  setTitle: (_, given) => { document.title = given.title; return {}; },
  setScroll: (_, given) => { scrollTo(0, given.scroll); return {}; },
  openApplication: (_, given) => slide("Switchboard", { options: given }).then(() => ({})),
  closeApplication: () => { unslide(); return null; },
  openPath: (_, given) => ({ result: "close", path: given.path }),
  imOpenMessenger: () => ({}),
  selectUser: () => ({ id: "27", name: now.portal.users.find((one) => one.id === 27)?.name ?? "27", photo: "", position: "", url: "/company/personal/user/27/", sub: false, sup: false }),
  getInterface: () => ({ command: Object.keys(commands), event: [] }),
  placementBindEvent: () => ({}),
  setPropertyValue: (frame, given) => {
    frame.set = { ...(frame.set ?? {}), ...given };
    return { success: true };
  },
};

addEventListener("message", async (event) => {
  const frame = [...frames.values()].find((one) => one.iframe.contentWindow === event.source);
  if (!frame || event.origin !== new URL(frame.url).origin || typeof event.data !== "string") return;
  const parts = event.data.split(":");
  const [command, sid, key] = [parts[0], parts.at(-1), parts.at(-2)];
  if (sid !== frame.sid) return;
  const text = parts.slice(1, -2).join(":");
  const given = text ? JSON.parse(text) : {};
  log(`${w().asked}: ${command}${text && command !== "resizeWindow" ? ` ${text}` : ""}`);
  const told = commands[command] ? await commands[command](frame, given) : { error: "UNKNOWN_COMMAND" };
  if (told !== null) event.source.postMessage(`${key}:${JSON.stringify(told)}`, event.origin);
});

// The menu and what it opens

const options = (value) => JSON.parse(JSON.stringify(value));
const places = {
  app: { title: () => w().app, open: () => open($("place"), {}) },
  center: { title: () => w().center, open: () => center() },
  robots: { title: () => w().robots, open: () => robots() },
};
const tabOf = (kind) => now.portal.placements.find((one) => one.placement === `CRM_${kind.toUpperCase()}_DETAIL_TAB`);

const about = (...children) => {
  $("about").replaceChildren(...children);
  $("about").hidden = children.length === 0;
};

const center = async () => {
  const { connectors = {}, lines = [] } = now.portal.open_lines;
  const tiles = Object.entries(connectors).map(([id, one]) =>
    h("li", { class: "step" }, h("b", {}, plain(one.NAME)),
      h("div", { class: "acts" }, ...lines.map((line) =>
        h("button", { type: "button", class: "quiet", "data-test": `connector-${id}-${line.id}`, onclick: () => act(() => connector(id, one, line)) }, `${line.connectors.includes(id) ? "✓ " : ""}${line.name} · ${w().set}`)))));
  about(h("p", { class: "meta" }, w().centerHint), h("ul", { class: "results", "data-test": "connectors" }, ...tiles));
};

const connector = async (id, one, line) => {
  const number = String(line.id);
  const status = now.portal.open_lines.statuses.find((it) => it.connector === id && it.line === line.id) ?? {};
  const flags = { STATUS: status.active === true && status.error !== true && status.connection === true, ACTIVE_STATUS: status.active === true, CONNECTION_STATUS: status.connection === true, REGISTER_STATUS: status.register === true, ERROR_STATUS: status.error === true };
  await slide(`${plain(one.NAME)} · ${line.name}`, { url: one.PLACEMENT_HANDLER, placement: "SETTING_CONNECTOR", options: { CONNECTOR: id, LINE: number, ...flags, URI: "/contact_center/" } });
};

const robots = async () => {
  const all = Object.entries(now.portal.robots).filter(([, robot]) => robot.USE_PLACEMENT === "Y");
  about(h("p", { class: "meta" }, w().robotHint), h("ul", { class: "results", "data-test": "robots" }, ...all.map(([code, robot]) =>
    h("li", { class: "step" }, h("b", {}, plain(robot.NAME)), h("div", { class: "acts" },
      h("button", { type: "button", class: "quiet", "data-test": `settings-${code}`, onclick: () => act(() => robotSettings(code, robot)) }, w().set)),
      h("pre", { class: "log", "data-test": `kept-${code}` }, JSON.stringify(kept(code), null, 1))))));
};
const kept = (code) => JSON.parse(sessionStorage.getItem(`robot-${code}`) ?? "{}");

const robotSettings = (code, robot) => {
  const property = ([id, one]) => [id, { Id: id, Type: one.Type, Name: plain(one.Name), Description: plain(one.Description), Multiple: one.Multiple === "Y", Required: one.Required === "Y", Options: one.Options ? Object.fromEntries(Object.entries(one.Options).map(([key, text]) => [key, plain(text)])) : "", Settings: [], Default: one.Default ?? "" }];
  const properties = Object.fromEntries(Object.entries(robot.PROPERTIES ?? {}).map(property));
  const first = Object.fromEntries(Object.entries(properties).map(([id, one]) => [id, one.Default]));
  return slide(plain(robot.NAME), { url: robot.PLACEMENT_HANDLER, placement: "BIZPROC_ACTIVITY_PROPERTIES_DIALOG", robot: code, options: options({ code, activity_name: "A40364_79843", properties, current_values: { ...first, ...kept(code) }, document_type: ["crm", "CCrmDocumentDeal", "DEAL"], document_fields: { TITLE: { Id: "TITLE", Type: "string", Name: "Название" }, "CONTACT.NAME": { Id: "CONTACT.NAME", Type: "string", Name: "Имя контакта" }, "CONTACT.PHONE": { Id: "CONTACT.PHONE", Type: "string", Name: "Телефон контакта" } }, template: { parameters: [], variables: [], constants: [], global_variables: [], global_constants: [], return_activities: [] } }) });
};

const card = async (one) => {
  const tab = tabOf(one.kind);
  about(h("b", {}, `${w()[one.kind]} ${one.id} · ${one.title}`), tab ? h("span", { class: "meta" }, ` · ${tab.title ?? "Switchboard"}`) : h("p", { class: "empty" }, w().noTab));
  if (tab) await open($("place"), { url: tab.handler, placement: tab.placement, options: { ID: String(one.id), URI: `/crm/${one.kind}/details/${one.id}/` } });
  else $("place").replaceChildren();
};

const go = (at) => {
  now.at = at;
  for (const button of $("menu").querySelectorAll("button")) button.toggleAttribute("aria-current", button.dataset.at === at);
  for (const button of $("menu").querySelectorAll("[aria-current]")) button.setAttribute("aria-current", "page");
  $("place").replaceChildren();
  frames.clear();
  about();
  const of = now.cards.find((one) => `${one.kind}-${one.id}` === at);
  return act(() => (of ? card(of) : places[at].open()));
};

const draw = () => {
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = w()[node.dataset.word] ?? "";
  document.documentElement.lang = now.lang;
  $("name").textContent = `Битрикс24 · ${now.portal.domain}`;
  $("user").replaceChildren(...now.portal.users.map((one) => h("option", { value: one.id, selected: one.id === now.user }, `${one.name}${one.admin ? ` (${w().admin})` : ""}`)));
  $("lang").value = now.lang;
  const button = (at, title) => h("button", { type: "button", "data-at": at, "data-test": `menu-${at}`, "aria-current": now.at === at ? "page" : null, onclick: () => go(at) }, title);
  $("menu").replaceChildren(...Object.entries(places).map(([at, place]) => button(at, place.title())), h("h2", {}, w().cards), ...now.cards.slice(0, 12).map((one) => button(`${one.kind}-${one.id}`, `${w()[one.kind]} ${one.id} · ${one.title}`)));
};

const load = async () => {
  const [portal, { cards }] = await Promise.all([call(`/_/b24/${name}`), call(`/_/b24/${name}/cards`)]);
  Object.assign(now, { portal, cards });
  draw();
  if (now.at === "center") await center();
  if (now.at === "robots") await robots();
};

$("user").addEventListener("change", (event) => { now.user = Number(event.target.value); if (now.at) go(now.at); });
$("lang").addEventListener("change", (event) => { now.lang = event.target.value; draw(); if (now.at) go(now.at); });
$("close").addEventListener("click", unslide);
addEventListener("keydown", (event) => { if (event.key === "Escape" && !$("veil").hidden) unslide(); });
$("keep").addEventListener("click", () => {
  const frame = [...frames.values()].find((one) => one.place === $("slider"));
  const code = frame?.what.robot;
  if (code) sessionStorage.setItem(`robot-${code}`, JSON.stringify({ ...frame.what.options.current_values, ...(frame.set ?? {}) }));
  log(w().kept);
  unslide();
});

await act(load);
if (query.get("at")) await go(query.get("at"));
else await go("app");
