// VK Notify from its application to a notification on the phone.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { SIZES, openPage, picture, until } from './demo.mjs';
import { startServer } from './server.mjs';

const KEY = 'key-of-the-aggregator';
const PHONE = '79990000001';
const TEMPLATE = 'Заказ {{order}} готов к выдаче';
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let server, view, page;
/** What a look found, told at the end, so that one flaw does not hide the story. */
const flaws = [];

before(async () => {
  server = await startServer();
  await control('/_/notify/accounts', { provider: 'devino', key: KEY, name: 'romashka', templates: { order_ready: TEMPLATE } });
  await control('/_/phones', { id: PHONE, name: 'Анна' });
  view = await openPage(server.address);
  page = view.page;
  page.setDefaultTimeout(10_000);
  const owner = { company: 'Ромашка', name: 'Анна Ковалёва', login: 'anna@example.com', password: 'очень длинный пароль' };
  await page.getByRole('heading', { name: 'Первый запуск' }).waitFor();
  for (const [name, value] of Object.entries(owner)) await field(name).fill(value);
  await page.keyboard.press('Enter');
  await page.getByText('Линий пока нет').waitFor();
  const line = await ask('POST', '/lines', { name: 'Продажи', plan: 'paid', expires_at: null });
  assert.equal(line.status, 201, line.body);
}, { timeout: 120_000 });

after(async () => {
  await view?.close();
  if (server) assert.deepEqual(await server.stop(), [0, 0], 'the server and the sandbox stop by themselves when asked to');
});

async function control(path, body) {
  const init = body ? { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {};
  const reply = await fetch(new URL(path, server.sandbox), init);
  assert.ok(reply.ok, `${path}: ${reply.status}`);
  return reply.json();
}

/** Asks the API as the page does: with the cookie of the browser. */
const ask = (method, path, body) =>
  page.evaluate(
    async ([method, path, body]) => {
      const headers = { 'x-switchboard': 'test', 'content-type': 'application/json' };
      const reply = await fetch(`/api/v1${path}`, { method, headers, body: body && JSON.stringify(body) });
      return { status: reply.status, body: await reply.text() };
    },
    [method, path, body],
  );

const button = (name) => page.getByRole('button', { name, exact: true });
const field = (name) => page.locator(`[name="${name}"]`);
/** Chooses by the words that people see. */
async function choose(label, option) {
  await page.getByRole('combobox', { name: label }).click();
  await page.getByRole('option', { name: option, exact: true }).click();
}
const card = () => page.locator('[data-test="messenger-vk_notify"]');

/** A look at the page on a wide screen and on a phone: a picture, nothing sideways, nothing that axe finds. */
async function look(name) {
  for (const [size, viewport] of SIZES) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(400); // what slides in has arrived
    await picture(page, `notify-${name}-${size}`);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider) flaws.push(`${name} at ${size}: ${wider} px are beside the screen`);
    await page.evaluate(readFileSync(axe, 'utf8'));
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
    for (const { id, nodes } of violations) flaws.push(`${name} at ${size}: ${id} ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`);
  }
  await page.setViewportSize(SIZES[0][1]);
}

test('a new application says what is wrong in it, and is made', { timeout: 90_000 }, async () => {
  await page.getByRole('link', { name: 'VK Notify', exact: true }).click();
  await page.getByText('Заявок пока нет').waitFor();
  await look('empty');
  await button('Новая заявка').first().click();
  await button('Сформировать документы').click();
  await page.getByText('Заполните поле').first().waitFor();
  await look('form-errors');
  const form = {
    edo_id: '2BM-7707083893-20120528', edo_operator: 'Диадок', company_name: 'Ромашка', inn: '7707083894', ogrn: '1027700132195',
    kpp: '773601001', address: '117997, Москва, ул. Вавилова, д. 19', signer_position: 'Генеральный директор',
    signer_name: 'Иванов Иван Иванович', signer_basis: 'Устава',
  };
  for (const [name, value] of Object.entries(form)) await field(name).fill(value);
  await page.keyboard.press('Enter');
  await page.locator('[aria-invalid="true"][name="inn"]').waitFor();
  await field('inn').fill('7707083893');
  await page.keyboard.press('Enter');
  await page.getByText('Документы сформированы').first().waitFor();
  await look('formed');
});

test('the statement is downloaded, and the application goes its way', { timeout: 90_000 }, async () => {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Скачать заявление' }).click()]);
  assert.equal(download.suggestedFilename(), 'statement-1.pdf');
  const pdf = readFileSync(await download.path());
  assert.equal(pdf.subarray(0, 5).toString(), '%PDF-');
  await button('Заявление отправлено').click();
  await button('Отметить отказ').click();
  await button('Отметить отказ').click();
  await page.getByText('Заполните поле').waitFor();
  await look('refusing');
  await button('Отмена').click();
  await button('Отметить одобрение').click();
  await page.getByText('Заявка одобрена: VK Notify можно привязать на линии.').waitFor();
  await look('approved');
  await button('Понятно').click();
  await page.getByText('Заявка одобрена').waitFor({ state: 'detached' });
});

test('VK Notify is attached in two steps and its notification arrives', { timeout: 90_000 }, async () => {
  await page.goto(new URL('/lines/1', server.address).href);
  await button('Привязать VK Notify').click();
  await button('Привязать').click();
  await page.getByText('Заполните поле').waitFor();
  await choose('Агрегатор, с которым заключён договор', 'Devino');
  await look('wizard');
  await button('Привязать').click();
  await field('api_token').fill('another key'.replace(' ', '-'));
  await field('service').fill('romashka');
  await page.keyboard.press('Enter');
  await page.locator('[aria-invalid="true"][name="api_token"]').waitFor();
  await choose('Где показывать уведомления', 'ВКонтакте и Одноклассники');
  await page.locator('summary').filter({ hasText: 'Дополнительно' }).click();
  await choose('Кому доставлять', 'Тем, чей номер подтверждён');
  await look('wizard-form');
  await field('api_token').fill(KEY);
  await field('community').fill('Ромашка');
  await page.keyboard.press('Enter');
  await page.getByText('Канал подключён').waitFor();
  await button('Готово').click();
  await card().getByText('Подключено').waitFor();
  await card().getByRole('button', { name: 'Шаблоны' }).click();
  await field('name').fill('order_ready');
  await field('text').fill('Заказ {{order}');
  await button('Добавить шаблон').click();
  await page.locator('[aria-invalid="true"][name="text"]').waitFor();
  await field('text').fill(TEMPLATE);
  await button('Добавить шаблон').click();
  await page.locator('[data-test="template"]').waitFor();
  await look('templates');
  const sent = await ask('POST', '/messages', { to: `+${PHONE}`, messenger: 'vk_notify', template: { name: 'order_ready', named: { order: '42' } } });
  assert.equal(sent.status, 202, sent.body);
  const { id } = JSON.parse(sent.body);
  const status = async () => JSON.parse((await ask('GET', `/messages/${id}`)).body).status;
  await until('the notification is delivered', async () => (await status()) === 'delivered', 20_000);
  const phone = await control(`/_/phones/${PHONE}`);
  assert.deepEqual(phone.messages.map(({ messenger, text }) => [messenger, text]), [['vk_notify', 'Заказ 42 готов к выдаче']]);
  await control(`/_/phones/${PHONE}/read`, {});
  await until('the notification is read', async () => (await status()) === 'viewed', 20_000);
});

test('nothing on the pages was out of place', () => {
  assert.deepEqual(flaws, []);
  assert.deepEqual(view.complaints, []);
});
