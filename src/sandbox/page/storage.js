// What a portal stores and robots send: files of the Disk, and documents of the deal.

export const storage = ({ $, h, draw, call, act, w, now, chosenFile }) => {
  const put = (what, body) => call(`/_/b24/${now.portal}/${what}`, body);
  const size = (bytes) => `${Math.max(1, Math.round(bytes / 1024))} KB`;

  const file = (one) => h("li", { "data-test": `disk-${one.id}` },
    h("span", {}, h("b", {}, one.name), ` · № ${one.id} · ${size(one.size)}`),
    h("button", { type: "button", class: "quiet", "data-test": `disk-remove-${one.id}`, "aria-label": `${w().remove}: ${one.name}`, onclick: () => act(() => put("disk", { id: one.id, gone: true })) }, w().remove));

  const document = (one) => h("li", { "data-test": `document-${one.id}` }, h("span", {}, h("b", {}, one.title), ` · № ${one.id} · ${w().pdf[one.pdf]}`));

  $("disk-form").addEventListener("submit", (event) => {
    event.preventDefault();
    if (!$("disk-file").value) return;
    act(async () => {
      await put("disk", await chosenFile($("disk-file")));
      $("disk-file").value = "";
    });
  });

  $("document-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const title = $("document-title").value.trim();
    if (!title) return;
    // a PDF is made in a moment, or never comes, or cannot be made
    const pdf = { ready: { ready_ms: 0 }, waited: {}, broken: { broken: true } }[$("document-pdf").value];
    act(async () => {
      await put("documents", { title, deal: now.deal, ...pdf });
      $("document-title").value = "";
    });
  });

  return (portal, deal) => {
    const documents = portal.disk.documents.filter((one) => one.deal === deal?.id);
    draw($("disk"), portal.disk.files, () => (portal.disk.files.length ? portal.disk.files.map(file) : h("li", { class: "hush" }, w().noFiles)));
    draw($("documents"), documents, () => (documents.length ? documents.map(document) : h("li", { class: "hush" }, w().noDocuments)));
    draw($("document-pdf"), "pdf", () => Object.entries(w().pdf).map(([value, text]) => h("option", { value }, text)));
  };
};
