// A number of WhatsApp Business in the cabinet: what Meta thinks of it, and its templates, as they change.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { SIZES, openPage, picture } from './demo.mjs';
import { control, startServer } from './server.mjs';

const NUMBER = '106540352242922';
const ACCOUNT = '102290129340398';
const SECRET = '0123456789abcdef0123456789abcdef';
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let server, view, page;
/** What a look found, told at the end, so that one flaw does not hide the story. */
const flaws = [];

before(async () => {
  server = await startServer();
  await control(server, '/_/waba/numbers', { id: NUMBER, account: ACCOUNT, token: 'EAAtoken', app_secret: SECRET, verify_token: 'verify-me', name: 'Окна Ромашка' });
  view = await openPage(server.address);
  page = view.page;
  page.setDefaultTimeout(10_000);
  const owner = { company: 'Ромашка', name: 'Анна Ковалёва', login: 'anna@example.com', password: 'очень длинный пароль' };
  await page.getByRole('heading', { name: 'Первый запуск' }).waitFor();
  for (const [name, value] of Object.entries(owner)) await page.locator(`[name="${name}"]`).fill(value);
  await page.keyboard.press('Enter');
  await page.getByText('Линий пока нет').waitFor();
  const line = await ask('POST', '/lines', { name: 'Продажи', plan: 'paid', expires_at: null });
  assert.equal(line.status, 201, line.body);
}, { timeout: 120_000 });

after(async () => {
  await view?.close();
  if (server) assert.deepEqual(await server.stop(), [0, 0], 'the server and the sandbox stop by themselves when asked to');
});

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
const channel = () => page.locator('[data-test="messenger-waba"] [data-test="channel"]');
const template = (name) => page.locator(`[data-test="template"][data-name="${name}"]`);
const tell = (field, value) => control(server, `/_/waba/accounts/${ACCOUNT}/tell`, { field, value });

/** A look at the page on a wide screen and on a phone: a picture, nothing sideways, nothing that axe finds. */
async function look(name) {
  for (const [size, viewport] of SIZES) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(400); // what slides in has arrived
    await picture(page, `templates-${name}-${size}`);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider) flaws.push(`${name} at ${size}: ${wider} px are beside the screen`);
    await page.evaluate(readFileSync(axe, 'utf8'));
    const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
    for (const { id, nodes } of violations) flaws.push(`${name} at ${size}: ${id} ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`);
  }
  await page.setViewportSize(SIZES[0][1]);
}

test('before a number is attached the page of templates says where they come from', { timeout: 60_000 }, async () => {
  await page.getByRole('link', { name: 'Шаблоны', exact: true }).click();
  await page.getByText('Шаблоны есть у WhatsApp Business').waitFor();
  await look('nobody');
});

test('a number shows its quality and its limit, and both follow Meta', { timeout: 90_000 }, async () => {
  const answers = { phone_number_id: NUMBER, waba_id: ACCOUNT, token: 'EAAtoken', app_secret: SECRET, verify_token: 'verify-me' };
  const attached = await ask('POST', '/lines/1/channels', { messenger: 'waba', answers });
  assert.equal(attached.status, 201, attached.body);
  const { channels } = JSON.parse((await ask('GET', '/channels')).body);
  await control(server, `/_/waba/accounts/${ACCOUNT}`, { webhook: channels[0].webhook_url, subscribed: true });
  await page.goto(new URL('/lines/1', server.address).href);
  await channel().locator('[data-rating="GREEN"]').waitFor();
  assert.match(await channel().locator('[data-test="tier"]').innerText(), /до 1\s000/);
  await look('number');
  // Meta tells that something changed, and is asked what
  await control(server, `/_/waba/numbers/${NUMBER}`, { quality: 'RED', tier: 'TIER_250' });
  await tell('phone_number_quality_update', { display_phone_number: '74951234567', event: 'DOWNGRADE', current_limit: 'TIER_250' });
  await channel().locator('[data-rating="RED"]').waitFor();
  await page.locator('[data-test="low-quality"]').waitFor();
  assert.match(await channel().locator('[data-test="tier"]').innerText(), /до 250/);
  await look('number-low');
});

test('templates are asked for when the page is opened, and it follows what Meta tells', { timeout: 90_000 }, async () => {
  await page.getByRole('link', { name: 'Шаблоны канала Окна Ромашка' }).click();
  await template('order_update_v1').waitFor();
  assert.equal(await template('order_update_v1').locator('[data-test="status"]').innerText(), 'Одобрен');
  const preview = await template('order_update_v1').locator('.sb-said').innerText();
  for (const part of ['Документ', 'customer_name', 'Ответьте СТОП', 'Подтвердить', 'Отследить']) assert.ok(preview.includes(part), `${part} in ${preview}`);
  await look('list');
  const named = { message_template_id: 594425479261596, message_template_name: 'order_update_v1', message_template_language: 'ru' };
  await tell('message_template_status_update', { ...named, event: 'PAUSED', reason: 'low quality' });
  await page.locator('[data-name="order_update_v1"][data-status="PAUSED"]').waitFor();
  assert.match(await template('order_update_v1').locator('[data-test="reason"]').innerText(), /low quality/);
  await tell('message_template_quality_update', { ...named, new_quality_score: 'RED' });
  await template('order_update_v1').locator('[data-rating="RED"]').waitFor();
});

test('templates are found, and the list is refreshed by a button', { timeout: 90_000 }, async () => {
  await page.locator('[data-test="shelf-good"]').click();
  await template('order_update_v1').waitFor({ state: 'detached' });
  await template('greeting').waitFor();
  await page.locator('[name="search"]').fill('нет такого');
  await page.getByText('Ничего не нашлось').waitFor();
  await page.locator('[name="search"]').fill('');
  await page.locator('[data-test="shelf-all"]').click();
  const made = (name, language, status, category, text, more = {}) => ({ id: String(Math.random()).slice(2), name, language, status, category, parameter_format: 'POSITIONAL', components: [{ type: 'BODY', text }], ...more });
  await control(server, `/_/waba/accounts/${ACCOUNT}`, { templates: [
    made('a_very_long_name_of_a_template_that_somebody_made_for_a_sale_in_november_v12', 'ru', 'APPROVED', 'MARKETING', 'Скидка {{1}} до конца недели.\nПриходите!', { quality_score: { score: 'GREEN' } }),
    made('code', 'en_US', 'PENDING', 'AUTHENTICATION', '{{1}} is your code'),
    made('winback', 'pt_BR', 'REJECTED', 'MARKETING', 'Volte sempre, {{1}}', { rejected_reason: 'ABUSIVE_CONTENT' }),
  ] });
  await button('Обновить список').click();
  await template('winback').waitFor();
  await template('greeting').waitFor({ state: 'detached' });
  assert.equal(await template('winback').locator('[data-test="status"]').innerText(), 'Отклонён');
  await look('refreshed');
  await page.locator('[data-test="lang-en"]').click();
  await page.getByText('In review').first().waitFor();
  await look('refreshed-en');
  await page.locator('[data-test="lang-ru"]').click();
});

test('a list that Meta does not give leaves what is known, and says why', { timeout: 60_000 }, async () => {
  await control(server, '/_/faults', { vendor: 'waba', method: 'message_templates', kind: 'refuse', code: 80007, text: 'limit', times: 1 });
  await button('Обновить список').click();
  await page.getByRole('alert').waitFor();
  await template('winback').waitFor();
  await look('refused');
});

test('nothing was wrong with the pages', () => {
  assert.deepEqual(flaws, []);
  assert.deepEqual(view.complaints, []);
});
