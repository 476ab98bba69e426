// Open lines: the chats of the portal, as its operators see them.

export const chats = ({ $, h, draw, call, act, w, time, now, chosenFile }) => {
  const chosen = (all) => all.find((chat) => chat.id === now.chat) ?? all.at(-1);

  // what operators attach lies on the Disk of the portal
  let names = new Map();

  const bubble = (message, chat) => {
    const mine = message.author !== chat.user;
    const ticks = mine && message.author > 0 ? (message.read ? "✓✓" : message.delivered ? "✓" : "🕓") : "";
    const kind = message.author === 0 ? "note" : mine ? "mine" : "theirs";
    return h("div", { class: `bubble ${kind} ${message.deleted ? "deleted" : ""}`, "data-test": `chat-bubble-${message.id}` },
      ...message.files.map((file) => h("span", { class: "file" }, `${file.name} · ${file.size ?? "…"}`)), ...message.own_files.map((file) => h("span", { class: "file" }, names.get(file) ?? String(file))),
      h("span", { class: "words" }, message.deleted ? w().statuses.deleted : message.text),
      h("small", {}, message.edited ? `${w().edited} · ` : "", time(message.at), ticks ? h("i", { class: "ticks" }, ` ${ticks}`) : null,
        mine && message.author > 0 && !message.deleted ? h("button", { type: "button", class: "quiet", "data-test": `chat-edit-${message.id}`, "aria-label": w().chatEdit, onclick: () => act(() => change(chat, message)) }, "✎") : null,
        mine && message.author > 0 && !message.deleted ? h("button", { type: "button", class: "quiet", "data-test": `chat-delete-${message.id}`, "aria-label": w().chatDelete, onclick: () => act(() => call(`${path(chat)}/delete`, { id: message.id })) }, "✕") : null));
  };

  const path = (chat) => `/_/b24/${now.portal}/chats/${chat.id}`;
  const change = async (chat, message) => {
    const text = prompt(w().chatSay, message.text);
    if (text !== null) await call(`${path(chat)}/edit`, { id: message.id, text });
  };

  $("chat").addEventListener("change", (event) => { now.chat = Number(event.target.value); act(async () => {}); });
  $("chat-compose").addEventListener("submit", (event) => {
    event.preventDefault();
    const [field, chat] = [$("chat-text"), chosen(now.data.chats ?? [])];
    const text = field.value.trim();
    if (!chat || (!text && !$("chat-file").value)) return;
    act(async () => {
      const file = await chosenFile($("chat-file"));
      await call(`${path(chat)}/say`, { user: 27, text, ...(file ? { files: [file] } : {}) });
      for (const one of [field, $("chat-file")]) one.value = "";
    });
  });

  return (all) => {
    const portal = now.data.portals.find((one) => one.name === now.portal);
    names = new Map((portal?.disk.files ?? []).map((file) => [file.id, file.name]));
    const chat = chosen(all);
    $("no-chats").hidden = Boolean(chat);
    for (const id of ["chat", "chat-talk", "chat-compose"]) $(id).hidden = !chat;
    if (!chat) return;
    draw($("chat"), [all.map((one) => [one.id, one.name]), chat.id], () => all.map((one) => h("option", { value: one.id, selected: one.id === chat.id }, one.name)));
    if (draw($("chat-talk"), chat.messages, () => chat.messages.map((message) => bubble(message, chat)))) $("chat-talk").scrollTop = $("chat-talk").scrollHeight;
  };
};
