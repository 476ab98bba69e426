// The first hour of an administrator: a server without any user, a line, a channel, its pace, its queue.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import jsQR from 'jsqr';
import { PNG } from 'pngjs';
import { openPage, picture } from './demo.mjs';
import { GATEWAY_KEY, startServer } from './server.mjs';

const TOKEN = '100200300:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
const PASSWORD = 'очень длинный пароль';
const WIDE = { width: 1366, height: 900 };
/** The narrowest screen that the cabinet promises to fit. */
const PHONE = { width: 370, height: 800 };
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

let server, view, page;
/** What a look found, told at the end, so that one flaw does not hide the story. */
const flaws = [];

before(async () => {
  server = await startServer();
  await control('/_/telegram/bots', { token: TOKEN, username: 'romashka_bot', name: 'Ромашка' });
  for (const id of ['7001', '7002', '7003']) await control('/_/phones', { id, name: `Клиент ${id}`, started: true });
  await control('/_/waha', { key: GATEWAY_KEY });
  view = await openPage(server.address);
  page = view.page;
  page.setDefaultTimeout(10_000);
}, { timeout: 120_000 });

after(async () => {
  await view?.close();
  if (server) assert.deepEqual(await server.stop(), [0, 0], 'the server and the sandbox stop by themselves when asked to');
});

async function control(path, body) {
  const reply = await fetch(new URL(path, server.sandbox), { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } });
  assert.ok(reply.ok, `${path}: ${reply.status}`);
}

const sessions = async () => (await (await fetch(new URL('/_/waha', server.sandbox))).json()).sessions;

/** Reads a QR code from its picture. */
async function read(locator) {
  const { data, width, height } = PNG.sync.read(await locator.screenshot());
  return jsQR.default(new Uint8ClampedArray(data), width, height)?.data;
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
const field = (name) => page.locator(`input[name="${name}"]`);
const messenger = (kind) => page.locator(`[data-test="messenger-${kind}"]`);
/** The queue of the bot, in a state if one is named. */
const lane = (state) => page.locator(`[data-test="lane"]${state ? `[data-state="${state}"]` : ''}`).filter({ hasText: 'Telegram-бот' });
const dialog = () => page.getByRole('dialog');

/** A look at the page as it stands, on a wide screen and on a phone: a picture, nothing sideways, nothing that axe finds. */
async function look(name) {
  for (const [size, viewport] of [['1366', WIDE], ['370', PHONE]]) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(400); // what slides in has arrived
    await picture(page, `cabinet-${name}-${size}`);
    const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider) flaws.push(`${name} at ${size}: ${wider} px are beside the screen`);
    for (const flaw of await found()) flaws.push(`${name} at ${size}: ${flaw}`);
  }
  await page.setViewportSize(WIDE);
}

async function found() {
  // as a script of the test, which the policy of the page does not bind
  await page.evaluate(await import('node:fs').then((fs) => fs.readFileSync(axe, 'utf8')));
  const { violations } = await page.evaluate(() =>
    globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }),
  );
  return violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html.slice(0, 160)} ${node.failureSummary}`).join(' | ')}`);
}

test('the page comes from this server alone and its files are kept for ever', async () => {
  const reply = await fetch(server.address, { headers: { accept: 'text/html' } });
  const policy = reply.headers.get('content-security-policy');
  assert.match(policy, /script-src 'self';/);
  assert.doesNotMatch(policy, /unsafe|https?:/);
  assert.equal(reply.headers.get('cache-control'), 'no-cache');
  const files = [...(await reply.text()).matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file);
  assert.ok(files.length >= 3 && files.every((file) => file.startsWith('/assets/')), files.join());
  for (const file of files) {
    const asset = await fetch(new URL(file, server.address));
    assert.equal(asset.headers.get('cache-control'), 'public, max-age=31536000, immutable', file);
    assert.match(asset.headers.get('content-type'), /javascript|css|svg/, file);
  }
});

test('at the first visit the page speaks the language of the browser, and another one is at hand', { timeout: 60_000 }, async () => {
  for (const [locale, heading, other] of [['en-US', 'First run', 'lang-ru'], ['de-DE', 'Первый запуск', 'lang-en']]) {
    const visit = await openPage(server.address, locale);
    try {
      await visit.page.getByRole('heading', { name: heading }).waitFor();
      await visit.page.setViewportSize(PHONE);
      await picture(visit.page, `cabinet-first-visit-${locale}-370`);
      await visit.page.locator(`[data-test="${other}"]`).click();
      await visit.page.getByRole('heading', { name: heading }).waitFor({ state: 'detached' });
      await visit.page.reload();
      await visit.page.locator(`[data-test="${other}"][aria-pressed="true"]`).waitFor();
      assert.deepEqual(visit.complaints, []);
    } finally {
      await visit.close();
    }
  }
});

test('a server without users asks for its first administrator, and names what is missing', { timeout: 60_000 }, async () => {
  await page.getByRole('heading', { name: 'Первый запуск' }).waitFor();
  assert.equal(new URL(page.url()).pathname, '/setup');
  await look('setup');
  await button('Создать').click();
  await page.getByText('Заполните поле').first().waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('name')), 'company');
  await look('setup-errors');
  await field('company').fill('Ромашка');
  await field('name').fill('Анна Ковалёва');
  await field('login').fill('anna@example.com');
  await field('password').fill('коротко');
  await page.keyboard.press('Enter');
  await page.locator('[aria-invalid="true"][name="password"]').waitFor();
  await field('password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByText('Линий пока нет').waitFor();
  await look('lines-empty');
});

test('whoever signs out comes back with the password only', { timeout: 60_000 }, async () => {
  await button('Выйти').click();
  await page.getByRole('heading', { name: 'Вход' }).waitFor();
  await page.goto(new URL('/setup', server.address).href);
  await page.getByRole('heading', { name: 'Вход' }).waitFor();
  await look('login');
  await page.goto(new URL('/queue', server.address).href);
  await field('login').fill('anna@example.com');
  await field('password').fill('не тот пароль');
  await button('Войти').click();
  await page.getByRole('alert').getByText('Неверный логин или пароль').waitFor();
  await look('login-wrong');
  await field('password').fill(PASSWORD);
  await button('Войти').click();
  await page.getByText('Каналов пока нет').waitFor();
  assert.equal(new URL(page.url()).pathname, '/queue', 'and arrives where they wanted to go');
  assert.equal(await page.evaluate(() => document.cookie), '', 'no script sees the cookie');
  await look('queue-empty');
});

test('a line is made, renamed, and has a number', { timeout: 60_000 }, async () => {
  await page.getByRole('link', { name: 'Линии', exact: true }).click();
  await button('Новая линия').click();
  await dialog().waitFor();
  await look('line-new');
  await button('Создать').click();
  await page.getByText('Заполните поле').waitFor();
  await field('name').fill('Продажи');
  await field('expires_at').fill('2031-12-31');
  await page.keyboard.press('Enter');
  const line = page.locator('[data-test="line"]');
  await line.getByText('ID линии 1').waitFor();
  await line.getByText('Действует до 31.12.2031').waitFor();
  await page.getByRole('button', { name: 'Переименовать линию «Продажи»' }).click();
  await field('name').fill('Продажи, Москва');
  await button('Сохранить').click();
  await page.getByRole('link', { name: 'Продажи, Москва', exact: true }).waitFor();
});

test('a Telegram bot is attached by its token, after a wrong one', { timeout: 60_000 }, async () => {
  await page.getByRole('link', { name: 'Продажи, Москва', exact: true }).click();
  await messenger('telegram_bot').waitFor();
  assert.equal(await page.locator('[data-test^="messenger-"]').count(), 8);
  const { body } = await ask('GET', '/messengers');
  for (const { kind, about } of JSON.parse(body).messengers) {
    const offered = await messenger(kind).getByRole('button', { name: /Привязать/ }).count();
    assert.equal(offered, about ? 1 : 0, `${kind} can be attached where the server says so`);
    if (!about) await messenger(kind).getByText('Пока недоступен на этом сервере').waitFor();
  }
  await look('line');
  await button('Привязать Telegram-бот').click();
  await field('token').fill('100200300:nonsense');
  await page.keyboard.press('Enter');
  await page.locator('[aria-invalid="true"][name="token"]').waitFor();
  await look('attach-wrong');
  await field('token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.getByText('Канал подключён').waitFor();
  await look('attach-done');
  await button('Готово').click();
  await messenger('telegram_bot').locator('[data-state="connected"]').getByText('Подключено').waitFor();
});

test('WhatsApp Web is linked by the code on the screen, which the phone scans', { timeout: 90_000 }, async () => {
  await button('Привязать WhatsApp Web').click();
  const picture = page.getByRole('img', { name: 'QR-код для подключения' });
  await picture.waitFor({ timeout: 30_000 });
  await look('attach-qr');
  const [session] = await sessions();
  // what the camera of a phone would read, from the picture and not from what the server told
  const seen = await read(picture);
  assert.equal(seen, session.qr);
  await control(`/_/waha/sessions/${session.name}/scan`, { phone: '79160001122', name: 'Отдел продаж', qr: seen });
  await page.getByText('Канал подключён').waitFor({ timeout: 30_000 });
  await button('Готово').click();
  await messenger('whatsapp_web').locator('[data-state="connected"]').getByText('Подключено').waitFor();
  await messenger('whatsapp_web').getByText('+7 916 000-11-22').waitFor();
});

test('WhatsApp Web is linked again by a code that is typed into the phone', { timeout: 90_000 }, async () => {
  const [{ name }] = await sessions();
  await control(`/_/waha/sessions/${name}/remove`, {});
  await messenger('whatsapp_web').locator('[data-state="relink"]').getByText('QR-код').waitFor({ timeout: 20_000 });
  await look('line-relink');
  await messenger('whatsapp_web').getByRole('button', { name: 'Привязать заново' }).click();
  await button('Код вместо QR').click({ timeout: 30_000 });
  await field('phone').fill('7916');
  await button('Далее').click();
  await page.locator('[aria-invalid="true"][name="phone"]').waitFor();
  await field('phone').fill('+7 916 000-11-22');
  await button('Далее').click();
  const code = await page.locator('[data-test="code"]').textContent({ timeout: 30_000 });
  await look('attach-code');
  const again = (await sessions()).find((session) => session.code);
  await control(`/_/waha/sessions/${again.name}/type`, { phone: '79160001122', code, name: 'Отдел продаж' });
  await page.getByText('Канал подключён').waitFor({ timeout: 30_000 });
  await button('Готово').click();
  await messenger('whatsapp_web').locator('[data-state="connected"]').waitFor();
});

test('a Telegram account is signed in by the code that came to its phone, and its password', { timeout: 90_000 }, async () => {
  const account = { phone: '79031112233', name: 'Менеджер', username: 'manager', password: 'облачный пароль' };
  await control('/_/mtproto/accounts', account);
  await button('Привязать Telegram').click();
  const picture = page.getByRole('img', { name: 'QR-код для подключения' });
  await picture.waitFor({ timeout: 30_000 });
  assert.match(await read(picture), /^tg:\/\/login\?token=/);
  await button('Код вместо QR').click({ timeout: 30_000 });
  await field('phone').fill('+7 903 111-22-33');
  await button('Далее').click();
  await field('code').fill('00000');
  await look('attach-telegram-code');
  await button('Далее').click();
  await page.locator('[aria-invalid="true"][name="code"]').waitFor();
  const known = await (await fetch(`${server.sandbox}/_/mtproto/accounts`)).json();
  await field('code').fill(known.accounts[0].code);
  await button('Далее').click();
  await field('password').fill(account.password);
  await look('attach-telegram-password');
  await button('Далее').click();
  await page.getByText('Канал подключён').waitFor({ timeout: 30_000 });
  await button('Готово').click();
  await messenger('telegram').locator('[data-state="connected"]').getByText('Подключено').waitFor();
  await messenger('telegram').getByText('@manager').waitFor();
});

test('the pace is changed, not below the floor', { timeout: 60_000 }, async () => {
  await button('Настроить Ромашка').click();
  await field('from_ms').fill('0');
  await field('to_ms').fill('0');
  await look('pace');
  await field('from_ms').fill('20');
  await button('Сохранить темп').click();
  await page.locator('[aria-invalid="true"][name="to_ms"]').waitFor();
  await look('pace-wrong');
  await field('to_ms').fill('30,5');
  await button('Сохранить темп').click();
  await messenger('telegram_bot').getByText('от 20 до 30,5 с').waitFor();
  await look('line-attached');
});

test('how a channel fares is seen without asking again', { timeout: 60_000 }, async () => {
  const card = messenger('telegram_bot');
  assert.equal(await card.locator('[data-test="message-at"]').count(), 0);
  await control('/_/phones/7001/say', { messenger: 'telegram_bot', text: 'Добрый день' });
  await card.locator('[data-test="message-at"]').waitFor();
  await look('line-health');
});

test('what the messenger sent is looked at as it came, without secrets', { timeout: 60_000 }, async () => {
  await button('Настроить Ромашка').click();
  const deliveries = page.locator('[data-test="deliveries"]');
  await deliveries.locator('summary').click();
  await deliveries.locator('[data-test="delivery"][data-outcome="taken"] button').first().click();
  await deliveries.locator('[data-test="delivery-body"]').getByText('Добрый день').waitFor();
  assert.match(await deliveries.innerText(), /x-telegram-bot-api-secret-token: •••/);
  await deliveries.scrollIntoViewIfNeeded();
  await look('deliveries');
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
});

test('the hours of the line are set', { timeout: 60_000 }, async () => {
  await page.getByRole('tab', { name: 'Настройки' }).click();
  await page.getByRole('switch').click();
  await field('from').fill('09:30');
  await field('to').fill('21:00');
  for (const day of ['Сб', 'Вс']) await page.getByLabel(day, { exact: true }).check();
  await page.getByRole('radio', { name: 'Демонстрационная' }).check();
  await field('expires_at').fill('2032-01-31');
  await look('line-settings');
  await button('Сохранить').click();
  await page.getByText('Сохранено').first().waitFor();
  const { hours, plan } = JSON.parse((await ask('GET', '/lines')).body).lines[0];
  assert.equal(plan, 'demo');
  await page.getByText('Действует до 31.01.2032').waitFor();
  assert.deepEqual([hours.days, hours.from_minute, hours.to_minute], [[1, 2, 3, 4, 5, 6, 7], 570, 1260]);
  await page.reload();
  assert.equal(await field('from').inputValue(), '09:30');
  assert.equal(await field('expires_at').inputValue(), '2032-01-31');
  await page.getByRole('radio', { name: 'Платная' }).check();
  await page.getByRole('switch').click();
  await button('Сохранить').click();
  await page.getByText('Сохранено').first().waitFor();
});

test('the queue shows what waits and when it leaves, and can be paused and cleared', { timeout: 60_000 }, async () => {
  await page.getByRole('link', { name: 'Очередь', exact: true }).click();
  await lane().getByText('Ничего не ждёт.').waitFor();
  for (const to of ['7001', '7002', '7003', '7001']) {
    const { status } = await ask('POST', '/messages', { to, text: `Здравствуйте, ${to}!`, messenger: 'telegram_bot' });
    assert.equal(status, 202);
  }
  await lane().getByText('Здравствуйте, 7003!').waitFor();
  await lane().getByText(/через \d+ с/).first().waitFor();
  await lane().getByText('Ожидаемое окончание:').waitFor();
  await look('queue');
  await lane().getByRole('button', { name: 'Приостановить', exact: true }).click();
  await lane('paused').waitFor();
  await look('queue-paused');
  await lane().getByRole('button', { name: 'Продолжить', exact: true }).click();
  await lane('running').waitFor();
  // another person does it, and this page hears of it at once
  const { id } = JSON.parse((await ask('GET', '/queue')).body).lanes.find((one) => one.messenger === 'telegram_bot');
  await ask('POST', `/lanes/${id}/pause`);
  await lane('paused').waitFor({ timeout: 3_000 });
  await ask('POST', `/lanes/${id}/resume`);
  await lane('running').waitFor({ timeout: 3_000 });
  await lane().getByRole('button', { name: 'Очистить', exact: true }).click();
  await dialog().getByText('Рассылки не затрагиваются').waitFor();
  await look('queue-clear');
  await dialog().getByRole('button', { name: 'Очистить', exact: true }).click();
  await lane().getByText('Ничего не ждёт.').waitFor();
});

test('a lost channel keeps its queue, and its administrator decides what becomes of it', { timeout: 90_000 }, async () => {
  await control('/_/faults', { vendor: 'telegram', method: 'sendMessage', kind: 'token_expired', times: 1 });
  for (const to of ['7001', '7002', '7003']) await ask('POST', '/messages', { to, text: 'Ваш заказ готов', messenger: 'telegram_bot' });
  await lane('lost').waitFor({ timeout: 45_000 });
  await look('queue-lost');
  await lane().getByRole('link', { name: 'Привязать заново' }).click();
  await messenger('telegram_bot').locator('[data-state="lost"]').getByText('Отключено').waitFor();
  await messenger('telegram_bot').getByText('Последняя ошибка:').waitFor();
  await look('line-lost');
  await messenger('telegram_bot').getByRole('button', { name: 'Привязать заново' }).click();
  await field('token').fill(TOKEN);
  await page.keyboard.press('Enter');
  await page.getByText('Канал подключён').waitFor();
  await button('Готово').click();
  await messenger('telegram_bot').locator('[data-test="quarantine"]').waitFor();
  await look('line-quarantine');
  await page.getByRole('link', { name: 'Очередь', exact: true }).click();
  await lane('held').waitFor();
  await look('queue-held');
  await lane().getByRole('button', { name: 'Отправить все', exact: true }).click();
  await lane('running').waitFor();
});

test('a line that has expired says so and keeps its queue', { timeout: 60_000 }, async () => {
  const [line] = JSON.parse((await ask('GET', '/lines')).body).lines;
  await ask('PATCH', `/lines/${line.id}`, { name: line.name, expires_at: 1 });
  await lane('expired').getByText('Очередь сохранена').waitFor();
  await look('queue-expired');
  const refused = await ask('POST', '/messages', { to: '7001', text: 'x', messenger: 'telegram_bot' });
  assert.match(refused.body, /line_expired/);
  await lane('expired').getByRole('link', { name: 'Изменить срок' }).click();
  await field('expires_at').fill('');
  await button('Сохранить').click();
  await page.getByText('Бессрочно').waitFor();
  await page.getByRole('link', { name: 'Очередь', exact: true }).click();
  await lane('running').waitFor();
});

test('a channel is switched off after a question', { timeout: 60_000 }, async () => {
  await page.getByRole('link', { name: 'Линии', exact: true }).click();
  await page.getByRole('link', { name: 'Продажи, Москва', exact: true }).click();
  await button('Отключить Ромашка').click();
  await dialog().getByText('Очередь сохранится').waitFor();
  await look('detach');
  await dialog().getByRole('button', { name: 'Отключить', exact: true }).click();
  await messenger('telegram_bot').locator('[data-state="off"]').getByText('Отключено').waitFor();
  await messenger('telegram_bot').getByRole('button', { name: 'Привязать заново' }).waitFor();
  await page.getByRole('link', { name: 'Очередь', exact: true }).click();
});

test('a sign-in that is over is renewed over the page', { timeout: 60_000 }, async () => {
  await ask('DELETE', '/tokens');
  await page.getByRole('heading', { name: 'Войдите снова' }).waitFor();
  await look('again');
  await field('login').fill('anna@example.com');
  await field('password').fill(PASSWORD);
  await page.keyboard.press('Enter');
  await dialog().waitFor({ state: 'detached' });
  assert.equal(new URL(page.url()).pathname, '/queue');
});

test('on a phone the menu leads everywhere', { timeout: 60_000 }, async () => {
  await page.setViewportSize(PHONE);
  await page.getByRole('button', { name: /боковую панель/i }).click();
  await dialog().getByRole('link', { name: 'Линии', exact: true }).waitFor();
  await page.waitForTimeout(400); // what slides in has arrived
  await picture(page, 'cabinet-menu-370');
  for (const flaw of await found()) flaws.push(`menu at 370: ${flaw}`);
  await dialog().getByRole('link', { name: 'Линии', exact: true }).click();
  await page.locator('[data-test="line"]').waitFor();
  await dialog().waitFor({ state: 'detached' });
  await page.setViewportSize(WIDE);
  await page.getByRole('link', { name: 'Очередь', exact: true }).click();
});

test('the cabinet speaks English to whoever chooses it, and keeps it', { timeout: 60_000 }, async () => {
  await page.locator('[data-test="lang-en"]').click();
  await page.getByText('Disconnected', { exact: true }).first().waitFor();
  await page.reload();
  await page.getByRole('link', { name: 'Lines', exact: true }).click();
  await page.getByText('Line ID 1').waitFor();
  await look('lines-en');
  await page.goto(new URL('/nowhere', server.address).href);
  await page.getByText('Page not found').first().waitFor();
  await look('not-found');
});

test('every page fits its screen, and axe finds nothing in it', () => {
  assert.deepEqual(flaws, []);
});

test('the cabinet asks nobody outside and has no script errors', () => {
  assert.deepEqual(view.complaints, []);
});
