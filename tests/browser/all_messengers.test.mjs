// The whole demo, once for each messenger: attached in the cabinet with what the page of the sandbox shows, written to by a
// customer on the phone, answered, and the receipts climb. A messenger is a row of the table.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openPage, picture, startDemo, until } from './demo.mjs';

const PHONE = '79990000002';
const WIDE = { width: 1366, height: 900 };
const NARROW = { width: 370, height: 800 };

/**
 * `account`: the name under which the page of the sandbox shows what is to be typed. `first`, `inside`, `beside`: what else a
 * person does, before and after typing it, and when the channel is there. `climbs`: the last status of an answer that is read.
 */
const MESSENGERS = [
  // Avito tells nobody of read marks: it is asked for them every two minutes. The others have their turn meanwhile
  { kind: 'avito', account: '94235312', name: 'Авито', climbs: 'viewed', later: true },
  { kind: 'telegram', account: '4000000002', name: 'аккаунт Telegram', first: byCode, inside: enterCode, climbs: 'viewed' },
  { kind: 'telegram_bot', account: '200300400', name: 'Telegram-бот', climbs: 'sent' },
  { kind: 'waba', account: '206540352242922', name: 'WhatsApp Business', beside: enterWebhook, climbs: 'viewed' },
  { kind: 'whatsapp_web', name: 'WhatsApp Web', inside: scan, climbs: 'viewed' },
  { kind: 'vk', account: '200000002', name: 'ВКонтакте', climbs: 'viewed' },
  { kind: 'vk_notify', account: '5190', name: 'VK Notify', first: chooseAggregator, beside: addTemplate, notice: 'Заказ 42 готов к выдаче', answeredBy: 'vk', climbs: 'viewed' },
  { kind: 'email', account: 'help@romashka.example', name: 'Email', first: nameServer, subject: 'Вопрос о заказе', file: 'счёт.pdf', climbs: 'sent' },
];

let demo, sandbox, cabinet;

before(async () => {
  demo = await startDemo();
  const said = demo.log.join('\n');
  const [, address] = /^Cabinet +(\S+)/m.exec(said);
  sandbox = await openPage(demo.address);
  cabinet = await openPage(address);
  const [, login, password] = /^Login +(\S+) +(\S+)/m.exec(demo.log.join('\n')) ?? [];
  for (const { page } of [sandbox, cabinet]) page.setDefaultTimeout(20_000);
  await field('login').fill(login);
  await field('password').fill(password);
  await cabinet.page.keyboard.press('Enter');
  await button('Новая линия').click();
  await field('name').fill('Всё сразу');
  await field('expires_at').fill('2031-12-31');
  await cabinet.page.keyboard.press('Enter');
  await cabinet.page.getByRole('link', { name: 'Всё сразу', exact: true }).click();
}, { timeout: 120_000 });

after(async () => {
  await sandbox?.close();
  await cabinet?.close();
  if (demo) assert.equal(await demo.stop(), 0, 'the demo stops by itself when asked to');
});

const part = (name) => sandbox.page.locator(`[data-test="${name}"]`);
const button = (name) => cabinet.page.getByRole('button', { name, exact: true });
const field = (name) => cabinet.page.locator(`input[name="${name}"]`);
const card = (kind) => cabinet.page.locator(`[data-test="messenger-${kind}"]`);

/** Asks the API as the cabinet does: with the cookie of the browser. */
const ask = (method, path, body) =>
  cabinet.page.evaluate(
    async ([method, path, body]) => {
      const headers = { 'x-switchboard': 'test', 'content-type': 'application/json' };
      const reply = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
      const text = await reply.text();
      if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
      return text ? JSON.parse(text) : null;
    },
    [method, path, body],
  );

/** What the page of the sandbox shows of an account. */
async function shown({ kind, account }) {
  const one = part(`account-${kind}-${account}`);
  await one.locator('summary').click();
  const values = await one.locator('dd').all();
  return Promise.all(values.map(async (value) => [await value.getAttribute('data-test'), await value.textContent()]));
}

/** The address of the webhook is entered in the console of Meta, which the page of the sandbox plays. */
async function enterWebhook({ kind, account }, channel) {
  await card(kind).getByRole('button', { name: `Настроить ${channel.title}`, exact: true }).click();
  await cabinet.page.getByText('Адрес вебхука').waitFor();
  const url = await cabinet.page.getByRole('dialog').locator('code').textContent();
  await cabinet.page.keyboard.press('Escape');
  const one = part(`account-${kind}-${account}`);
  await one.locator('[data-test="hook-url"]').fill(url.trim());
  await one.locator('[data-test="hook-verify"]').click();
  await until('the webhook is verified', async () => {
    const { accounts } = await (await fetch(new URL('/_/waba/numbers', demo.address))).json();
    return accounts.some((one) => one.webhook === url.trim() && one.subscribed);
  });
}

/** The code in the cabinet is scanned by the phone of the owner, on the page of the sandbox. */
async function scan() {
  await cabinet.page.getByRole('img', { name: 'QR-код для подключения' }).waitFor();
  await part('phone-79990000009').click();
  await part('messenger-whatsapp_web').click();
  await sandbox.page.locator('[data-test^="scan-"]').first().click();
}

/** A picture comes first; whoever has the phone at hand asks for a code. */
async function byCode() {
  await cabinet.page.getByRole('img', { name: 'QR-код для подключения' }).waitFor();
  await button('Код вместо QR').click();
}

/** The code that came to the account's own Telegram, which the page of the sandbox shows. */
async function enterCode({ kind, account }) {
  await field('code').waitFor();
  await part(`messenger-${kind}`).click();
  const [, code] = /: (\d+)$/.exec(await part(`code-${account}`).textContent());
  await field('code').fill(code);
  await cabinet.page.keyboard.press('Enter');
}

/** The aggregator is chosen first, its form comes after. */
async function chooseAggregator(row, values) {
  const [provider] = values.splice(values.findIndex(([name]) => name === 'provider'), 1);
  await choose('Агрегатор, с которым заключён договор', { devino: 'Devino', edna: 'edna Pulse' }[provider[1]]);
  await button('Привязать').click();
  await field('api_token').waitFor();
}

/** The mail server is nobody's whom the cabinet knows, and speaks without TLS. */
async function nameServer(row, values) {
  await choose('Почтовый сервис', 'Другой сервис или свой сервер');
  for (const server of ['IMAP', 'SMTP']) {
    const [[, security]] = values.splice(values.findIndex(([name]) => name === `${server.toLowerCase()}_security`), 1);
    assert.equal(security, 'none');
    await choose(`Защита ${server}`, 'Без TLS, открытым текстом');
  }
}

/** Chooses by the words that people see. */
async function choose(label, option) {
  await cabinet.page.getByRole('combobox', { name: label }).click();
  await cabinet.page.getByRole('option', { name: option, exact: true }).click();
}

/** The aggregator has approved a template; its text is repeated in the cabinet. */
async function addTemplate({ kind }) {
  await card(kind).getByRole('button', { name: 'Шаблоны', exact: true }).click();
  await field('name').fill('order_ready');
  await cabinet.page.locator('textarea[name="text"]').fill('Заказ {{order}} готов к выдаче');
  await button('Добавить шаблон').click();
  await cabinet.page.locator('[data-test="template"]').waitFor();
  await button('Готово').click();
}

for (const row of MESSENGERS) {
  test(`${row.name} is attached in the cabinet`, { timeout: 120_000 }, async () => {
    const values = row.account ? await shown(row) : [];
    await card(row.kind).getByRole('button', { name: /Привязать/ }).click();
    await row.first?.(row, values);
    for (const [name, value] of values) await field(name).fill(value);
    if (values.length) await cabinet.page.keyboard.press('Enter');
    await row.inside?.(row);
    await cabinet.page.getByText('Канал подключён').waitFor({ timeout: 60_000 });
    await button('Готово').click();
    await card(row.kind).locator('[data-state="connected"]').getByText('Подключено').waitFor();
    const { channels } = await ask('GET', '/channels');
    const title = await card(row.kind).locator('[data-test="channel"] .font-semibold').first().textContent();
    row.channel = channels.filter((one) => one.messenger === row.kind).find((one) => (one.title || one.address) === title.trim());
    assert.ok(row.channel, `${title}: ${JSON.stringify(channels)}`);
    await row.beside?.(row, row.channel);
  });

  if (row.notice) notifies(row);
  else converses(row);
}

/** The customer writes first, and is answered. */
function converses(row) {
  const answer = `Ответ через ${row.name}`;
  let incoming;

  test(`a customer writes in ${row.name}, and it arrives`, { timeout: 90_000 }, async () => {
    incoming = await says(row, `Здравствуйте! Пишу в ${row.name}`);
  });

  const climbs = row.later ? 'is read there' : `its receipts climb to ${row.climbs}`;
  test(`the answer comes to the phone by ${row.name}, and ${climbs}`, { timeout: 90_000 }, async () => {
    row.message = await comes({ channel: row.channel.id, to: incoming.chat, text: answer }, answer);
    if (!row.later) await climbed(row);
  });
}

/** The notification comes first; whoever answers it writes to the community. */
function notifies(row) {
  test(`a notification comes to the phone by ${row.name}, and its receipts climb to ${row.climbs}`, { timeout: 90_000 }, async () => {
    await open(row);
    row.message = await comes({ channel: row.channel.id, to: PHONE, template: { name: 'order_ready', named: { order: '42' } } }, row.notice);
    await climbed(row);
  });

  test(`the answer to ${row.name} arrives from the community`, { timeout: 90_000 }, async () => {
    assert.ok(await part('phone-text').isDisabled(), 'a notification takes no answer');
    await says(MESSENGERS.find(({ kind }) => kind === row.answeredBy), 'Спасибо, заберу завтра');
  });
}

async function open({ kind }) {
  await part(`phone-${PHONE}`).click();
  await part(`messenger-${kind}`).click();
}

/** The customer says something on the phone, on the page of the sandbox; what arrives. */
async function says(row, hello) {
  await open(row);
  if (row.account) await part('phone-line').selectOption(row.account);
  if (row.subject) await part('phone-subject').fill(row.subject);
  if (row.file) await part('phone-file').setInputFiles({ name: row.file, mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4') });
  await part('phone-text').fill(hello);
  await part('phone-send').click();
  await part('phone-messages').getByText(hello).waitFor();
  if (row.file) await part('phone-messages').getByText(row.file).waitFor();
  return until(`${hello} arrives`, async () => {
    const { messages } = await ask('GET', '/messages');
    return messages.find((one) => one.channel === row.channel.id && one.content.text?.includes(hello));
  });
}

/** A message of ours is seen on the phone and read there; its number. */
async function comes(ours, text) {
  const { id } = await ask('POST', '/messages', ours);
  await part('phone-messages').getByText(text).waitFor();
  if (await part('phone-read').isVisible()) await part('phone-read').click();
  return id;
}

/** The receipts of the message climb to the last that the messenger has. */
async function climbed(row, within) {
  const message = await until(`the message is ${row.climbs}`, async () => {
    const message = await ask('GET', `/messages/${row.message}`);
    return message.status === row.climbs && message;
  }, within);
  assert.ok(message.sent_at >= message.accepted_at && (row.climbs === 'sent' || message.viewed_at), JSON.stringify(message));
  await picture(sandbox.page, `messengers-${row.kind}`);
}

for (const row of MESSENGERS.filter(({ later }) => later)) {
  test(`the receipts of the answer by ${row.name} climb to ${row.climbs}`, { timeout: 200_000 }, async () => {
    await open(row);
    await climbed(row, 150_000);
  });
}

test('every messenger that the server can attach has its row', async () => {
  const { messengers } = await ask('GET', '/messengers');
  const able = messengers.filter(({ about }) => about).map(({ kind }) => kind);
  assert.deepEqual(MESSENGERS.map(({ kind }) => kind).sort(), able.sort());
});

test('the pages fit a wide screen and a phone', { timeout: 60_000 }, async () => {
  for (const [name, { page }] of [['sandbox', sandbox], ['line', cabinet]]) {
    for (const viewport of [WIDE, NARROW]) {
      await page.setViewportSize(viewport);
      await page.waitForTimeout(400); // what slides in has arrived
      await picture(page, `messengers-${name}-${viewport.width}`);
      const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.equal(wider, 0, `${name} at ${viewport.width}: ${wider} px are beside the screen`);
    }
    await page.setViewportSize(WIDE);
  }
});

test('nobody outside is asked and there are no script errors', () => {
  assert.deepEqual([...sandbox.complaints, ...cabinet.complaints], []);
});
