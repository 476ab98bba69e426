// The form of a mailbox: choices, switches, numbers, folded parts, in both languages; and what can be changed of it afterwards.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { look as shoot, openPage } from './demo.mjs';
import { control, startServer } from './server.mjs';

const BOX = 'sales@romashka.example';
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let server, view, page, box;
/** What a look found, told at the end, so that one flaw does not hide the story. */
const flaws = [];

before(async () => {
  server = await startServer();
  await control(server, '/_/mail/boxes', { address: BOX, password: 'mailbox-password' });
  const accounts = await (await fetch(new URL('/_/accounts', server.sandbox))).json();
  box = Object.fromEntries(accounts.accounts.find((one) => one.messenger === 'email').fields);
  view = await openPage(server.address);
  page = view.page;
  page.setDefaultTimeout(10_000);
  const owner = { company: 'Ромашка', name: 'Анна', login: 'anna@example.com', password: 'очень длинный пароль' };
  await page.getByRole('heading', { name: 'Первый запуск' }).waitFor();
  await page.locator('button[aria-label="Часовой пояс"]').waitFor();
  for (const [name, value] of Object.entries(owner)) await field(name).fill(value);
  await page.keyboard.press('Enter');
  await page.getByText('Линий пока нет').waitFor();
  await page.evaluate(() =>
    fetch('/api/v1/lines', { method: 'POST', headers: { 'x-switchboard': 'test', 'content-type': 'application/json' }, body: '{"name":"Продажи"}' }),
  );
  await page.goto(new URL('/lines/1', server.address).href);
}, { timeout: 120_000 });

after(async () => {
  await view?.close();
  if (server) assert.deepEqual(await server.stop(), [0, 0]);
});

const field = (name) => page.locator(`input[name="${name}"]`);
const button = (name) => page.getByRole('button', { name, exact: true });
const card = () => page.locator('[data-test="messenger-email"]');
const part = (name) => page.locator(`details[data-part="${name}"]`);

/** Chooses by the words that people see. */
async function choose(label, option) {
  await page.getByRole('combobox', { name: label }).click();
  await page.getByRole('option', { name: option, exact: true }).click();
}

async function look(name) {
  await shoot(page, `fields-${name}`);
  await page.evaluate(readFileSync(axe, 'utf8'));
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
  for (const { id, nodes } of violations) flaws.push(`${name}: ${id} ${nodes[0].html.slice(0, 160)} ${nodes[0].failureSummary}`);
}

async function speak(language) {
  await page.locator(`[data-test="lang-${language}"]`).click();
  await page.locator(`[data-test="lang-${language}"][aria-pressed="true"]`).waitFor();
}

test('a service fills its servers in, and another way of signing in asks for other things', { timeout: 90_000 }, async () => {
  await button('Привязать Email').click();
  await page.getByRole('combobox', { name: 'Почтовый сервис' }).waitFor();
  assert.equal(await part('IMAP and SMTP servers').getAttribute('open'), null, 'what a service fills in is folded');
  await choose('Почтовый сервис', 'Яндекс Почта');
  await part('IMAP and SMTP servers').locator('summary').click();
  assert.deepEqual(await Promise.all(['imap_host', 'imap_port', 'smtp_host', 'smtp_port'].map((name) => field(name).inputValue())), ['imap.yandex.com', '993', 'smtp.yandex.com', '587']);
  await page.getByRole('combobox', { name: 'Защита SMTP' }).getByText('STARTTLS').waitFor();
  await look('yandex');
  await choose('Способ входа', 'OAuth 2 (XOAUTH2)');
  await field('refresh_token').waitFor();
  assert.equal(await field('password').count(), 0);
  await look('oauth');
  await choose('Способ входа', 'Пароль');
  await button('Отмена').click();
});

test('what is wrong is told at its field, also behind a fold', { timeout: 90_000 }, async () => {
  await button('Привязать Email').click();
  await button('Привязать').click();
  await page.getByText('Заполните поле').first().waitFor();
  await choose('Почтовый сервис', 'Другой сервис или свой сервер');
  await field('imap_host').waitFor({ state: 'visible' });
  await field('address').fill(BOX);
  await field('password').fill('wrong');
  for (const name of ['imap_host', 'smtp_host', 'smtp_port']) await field(name).fill(box[name]);
  await field('imap_port').fill('70000');
  for (const name of ['Защита IMAP', 'Защита SMTP']) await choose(name, 'Без TLS, открытым текстом');
  await part('IMAP and SMTP servers').locator('summary').click();
  await field('imap_port').waitFor({ state: 'hidden' });
  await button('Привязать').click();
  await page.getByText('Укажите целое число от 1 до 65535').waitFor({ state: 'visible' });
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'imap_port');
  await look('number-wrong');
  await field('imap_port').fill(box.imap_port);
  await button('Привязать').click();
  await page.locator('[aria-invalid="true"][name="password"]').waitFor();
  await look('password-wrong');
});

test('the mailbox is attached with its switches and its signature', { timeout: 90_000 }, async () => {
  await field('password').fill(box.password);
  await page.getByRole('switch', { name: 'Группировать письма' }).click();
  await part('Advanced').locator('summary').click();
  await page.locator('textarea[name="signature"]').fill('С уважением,\nотдел продаж');
  await look('filled');
  await button('Привязать').click();
  await page.getByText('Канал подключён').waitFor();
  await button('Готово').click();
  await card().locator('[data-state="connected"]').getByText('Подключено').waitFor();
});

test('its settings show what was chosen, and change it', { timeout: 90_000 }, async () => {
  await button(`Настроить ${BOX}`).click();
  const grouped = page.getByRole('switch', { name: 'Группировать письма' });
  await grouped.waitFor();
  assert.equal(await grouped.getAttribute('aria-checked'), 'true');
  await part('Advanced').locator('summary').click();
  assert.equal(await page.locator('textarea[name="signature"]').inputValue(), 'С уважением,\nотдел продаж');
  await look('settings');
  await field('from_name').fill('Ромашка');
  await grouped.click();
  await button('Сохранить настройки').click();
  await page.getByText('Сохранено').first().waitFor();
  await page.keyboard.press('Escape');
  await button('Настроить Ромашка').click();
  await page.locator('[role="switch"][aria-checked="false"][name="group_letters"], [role="switch"][aria-checked="false"]').first().waitFor();
  await page.keyboard.press('Escape');
});

test('every word of it is there in English', { timeout: 90_000 }, async () => {
  await speak('en');
  await button('Configure Ромашка').click();
  await page.getByRole('switch', { name: 'Group letters' }).waitFor();
  await part('IMAP and SMTP servers').locator('summary').click();
  await part('Advanced').locator('summary').click();
  await look('settings-en');
  const words = await page.getByRole('dialog').locator('[data-test="channel-form"]').innerText();
  assert.doesNotMatch(words, /[А-Яа-яЁё]/);
  await page.keyboard.press('Escape');
  await card().getByRole('button', { name: /^Attach one more/ }).click();
  await choose('Mail service', 'Gmail');
  await look('gmail-en');
});

test('every form fits its screen, and axe finds nothing in it', () => {
  assert.deepEqual(flaws, []);
  assert.deepEqual(view.complaints, []);
});
