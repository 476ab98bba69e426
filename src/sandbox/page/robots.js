// The robot of a stage: its fields as the portal shows them, and what its steps gave back.

export const robots = ({ $, h, draw, call, w, plain, chip, time, choose, now }) => {
  const STAGE = "EXECUTING";

  const drawForm = (portal, deal) => {
    const codes = Object.keys(portal.robots);
    $("no-robot").hidden = codes.length > 0;
    $("robot").hidden = codes.length === 0;
    $("fire").textContent = w().fire;
    if (!codes.includes($("robots").value)) $("robots").value = codes[0] ?? "";
    choose($("robots"), codes.map((code) => [code, plain(portal.robots[code].NAME) || code]), $("robots").value || codes[0]);
    const properties = Object.entries(portal.robots[$("robots").value || codes[0]]?.PROPERTIES ?? {});
    draw($("fields"), [now.deal, $("robots").value, properties], () => properties.map(([key, property]) => drawField(key, property, portal, deal)));
    for (const pick of $("fields").querySelectorAll("[data-pick]")) {
      const known = offers(pick.dataset.pick, portal, deal);
      pick.hidden = known.length === 0;
      choose(pick, [["", w().pick], ...known], "");
    }
  };

  // What a person would otherwise look up: files, documents, and what earlier robots of this deal gave back
  const offers = (key, portal, deal) => {
    if (/file/.test(key)) return portal.disk.files.map((file) => [String(file.id), `${file.name} · № ${file.id}`]);
    if (/document/.test(key)) return portal.disk.documents.filter((one) => one.deal === deal?.id).map((one) => [String(one.id), `${one.title} · № ${one.id}`]);
    if (!/group|chat/.test(key)) return [];
    const given = (now.data.steps ?? []).filter((step) => step.returned.chat_id);
    return given.map((step) => [String(step.returned.chat_id), `${step.properties.title ?? plain(portal.robots[step.code]?.NAME)} · ${step.returned.chat_id}`]);
  };

  const firstValue = (key, property, portal, deal) => {
    if (property.Default) return property.Default;
    const about = `${key} ${plain(property.Name)}`.toLowerCase();
    if (/file|файл/.test(key)) return portal.disk.files[0]?.id ?? "";
    if (/document/.test(key)) return portal.disk.documents.find((one) => one.deal === deal?.id)?.id ?? "";
    if (/phone|recipient|address|^to\b|телефон|номер|получател/.test(about)) return deal?.contact.phone ?? "";
    // whoever is invited is invited by the words of the app
    if (/invit/.test(key)) return "";
    if (property.Type === "text" || /text|message|текст|сообщени/.test(about)) return now.lang === "ru" ? `Здравствуйте, ${deal?.contact.name.split(" ")[0]}! Ваш заказ готов.` : "Hello! Your order is ready.";
    return "";
  };

  const drawField = (key, property, portal, deal) => {
    const value = firstValue(key, property, portal, deal);
    const attrs = { "data-test": `field-${key}`, name: key, "data-multiple": property.Multiple === "Y" };
    const required = property.Required === "Y";
    const options = (all) => all.map(([id, text]) => h("option", { value: id, selected: id === value }, text));
    const nothing = required ? [] : [["", "—"]];
    let input;
    if (property.Type === "select") input = h("select", attrs, ...options([...nothing, ...Object.entries(property.Options ?? {}).map(([id, text]) => [id, plain(text)])]));
    else if (property.Type === "user") input = h("select", attrs, ...options([...nothing, ...portal.users.map((user) => [`user_${user.id}`, user.name])]));
    else if (property.Type === "bool") input = h("select", attrs, ...options([["Y", w().yes], ["N", w().no]]));
    else if (property.Type === "text") input = h("textarea", { ...attrs, rows: 3 }, String(value));
    else input = h("input", { ...attrs, value, autocomplete: "off", type: { int: "number", double: "number", date: "date", datetime: "datetime-local" }[property.Type] ?? "text" });
    const name = h("span", {}, plain(property.Name), required ? " *" : "");
    const label = h("label", { class: property.Type === "text" ? "whole" : "", title: plain(property.Description) }, name, input);
    if (property.Type !== "string" || !/file|document|group|chat/.test(key)) return label;
    // whoever picks may still type another number
    const pick = h("select", { class: "pick", "data-test": `pick-${key}`, "data-pick": key, "aria-label": `${plain(property.Name)}: ${w().pick}`, onchange: () => { input.value = pick.value; pick.value = ""; } });
    return h("div", { class: "picked" }, label, pick);
  };

  const fire = () => {
    const properties = {};
    for (const field of $("fields").querySelectorAll("[name]")) {
      if (field.value === "") continue;
      properties[field.name] = field.hasAttribute("data-multiple") ? field.value.split("\n").filter(Boolean) : field.value;
    }
    return call(`/_/b24/${now.portal}/robots/${encodeURIComponent($("robots").value)}/fire`, { deal: now.deal, properties, timeout_s: Number($("timeout").value) || 0, stage: STAGE });
  };

  const drawSteps = (steps, known) => {
    draw($("results"), steps, () => (steps.length ? steps.map((step) => drawStep(step, known[step.code])) : h("p", { class: "hush" }, w().noSteps)));
  };

  const drawStep = (step, robot) => {
    const results = robot?.RETURN_PROPERTIES ?? {};
    const place = (key) => (Object.keys(results).indexOf(key) + 1) || 99;
    const kind = { waiting: "wait", answered: "good", timed_out: "bad", passed: "calm" }[step.state];
    const returned = Object.entries(step.returned).sort(([one], [other]) => place(one) - place(other));
    const told = (value) => (Array.isArray(value) ? value.join(", ") : String(value)) || "—";
    const tone = (key, value) => (key === "status" ? { Y: "yes", N: "no" }[value] : null);
    const table = h("dl", {}, ...returned.flatMap(([key, value]) => [h("dt", {}, plain(results[key]?.Name) || key), h("dd", { class: tone(key, value) ?? null, "data-test": `returned-${key}` }, told(value))]));
    return h("article", { class: "step", "data-test": `step-${step.n}`, "data-state": step.state },
      h("header", {}, chip(w().steps[step.state], kind), h("b", {}, plain(robot?.NAME) || step.code), h("small", {}, time(step.fired_at))),
      returned.length ? table : null, ...step.log.map((line) => h("p", { class: "log" }, line)),
      step.ignored ? h("p", { class: "log" }, `${w().ignored}: ${step.ignored}`) : null);
  };

  return { stage: STAGE, draw: drawForm, drawSteps, fire };
};
