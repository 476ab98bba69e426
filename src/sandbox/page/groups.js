// What a phone is and lets happen in WhatsApp, and the groups that it is in.

export const groups = ({ $, h, draw, call, act, w, chip, now }) => {
  const toggle = (test, text, on, change) =>
    h("label", { class: "toggle" }, h("input", { type: "checkbox", "data-test": test, "data-on": String(on), checked: on, onchange: (event) => act(() => change(event.target.checked)) }), h("span", {}, text));

  const letAdd = (phone, open) => {
    const others = now.data.closed.filter((one) => one !== phone.id);
    return call("/_/waha/closed", { phones: open ? others : [...others, phone.id] });
  };

  const card = (group) => {
    const name = (id) => now.data.phones.find((phone) => phone.id === id)?.name ?? id;
    return h("li", { "data-test": `group-${group.id}`, "data-inside": String(group.inside) },
      h("b", {}, w().group.replace("{0}", group.subject)), h("span", { class: "meta" }, [w().we, ...group.members.map(name)].slice(group.inside ? 0 : 1).join(", ")),
      group.inside ? null : chip(w().left, "calm"));
  };

  return (phone) => {
    const ours = now.messenger === "whatsapp_web" ? now.data.sessions.flatMap((session) => session.groups) : [];
    const mine = ours.filter((group) => group.members.includes(phone.id));
    const open = !now.data.closed.includes(phone.id);
    $("ways").hidden = !["waba", "whatsapp_web"].includes(now.messenger);
    draw($("ways"), [phone.id, phone.whatsapp, open, now.messenger], () => [
      toggle("phone-whatsapp", w().hasWhatsApp, phone.whatsapp, (whatsapp) => call("/_/phones", { id: phone.id, whatsapp })),
      now.messenger === "whatsapp_web" ? toggle("phone-open", w().letsAdd, open, (on) => letAdd(phone, on)) : "",
    ]);
    $("groups").hidden = mine.length === 0;
    draw($("groups"), [phone.id, mine], () => mine.map(card));
  };
};
