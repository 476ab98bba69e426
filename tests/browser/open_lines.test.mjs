// Open lines, as a new administrator of a portal meets them: the application is installed, WhatsApp and Telegram are connected in the
// Contact Center, and customers and operators talk through them.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { look as lookAt, openPage, picture, startDemo, until } from './demo.mjs';

const ANNA = '79990000001';
const WIDTHS = [['1366', { width: 1366, height: 900 }], ['1280', { width: 1280, height: 720 }], ['370', { width: 370, height: 800 }]];

let demo, portal, sandbox;

before(async () => {
  demo = await startDemo();
  portal = await openPage(`${demo.address}/portal?name=demo`);
  sandbox = await openPage(demo.address);
  for (const { page } of [portal, sandbox]) page.setDefaultTimeout(20_000);
}, { timeout: 120_000 });

after(async () => {
  await portal?.close();
  await sandbox?.close();
  if (demo) assert.equal(await demo.stop(), 0, 'the demo stops by itself when asked to');
});

const control = async (path, body) => {
  const init = body ? { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {};
  const reply = await fetch(new URL(path, demo.address), init);
  assert.ok(reply.ok, `${path}: ${reply.status} ${await reply.clone().text()}`);
  return reply.json();
};
const menu = (name) => portal.page.locator(`[data-test="${name}"]`);
const inside = (name) => portal.page.frameLocator('[data-test="app-frame"]').locator(`[data-test="${name}"]`);
const part = (name) => sandbox.page.locator(`[data-test="${name}"]`);
const chat = () => part('chat-messages');

/** Opens the settings of a connector on a line, as the Contact Center does. */
async function openConnector(id, line) {
  await menu('menu-center').click();
  await menu(`connector-${id}-${line}`).click();
  await inside('connector-settings').waitFor();
}

/** «Сохранить и подключить». */
async function connect(id, line) {
  await openConnector(id, line);
  assert.match(await inside('state').textContent(), /Не подключён/);
  await inside('save').click();
  await inside('state').getByText('Подключён', { exact: true }).waitFor();
  await menu('slider-close').click();
}

test('a new administrator installs the application and connects WhatsApp and Telegram', { timeout: 120_000 }, async () => {
  await inside('app-page').waitFor();
  await control('/_/b24/demo/uninstall', {});
  await until('the portal is gone', async () => (await control('/_/switchboard/api/v1/portals')).portals.every((one) => one.state === 'uninstalled'));
  await portal.page.goto(`${demo.address}/portal?name=demo&user=1&at=app`, { waitUntil: 'load' });
  await inside('app-page').waitFor();
  await menu('menu-center').click();
  assert.equal(await menu('connectors').locator('li').count(), 8, 'a tile for each messenger');
  await openConnector('switchboard_waba', 12);
  for (const [size, viewport] of WIDTHS) {
    await portal.page.setViewportSize(viewport);
    await portal.page.waitForTimeout(400); // the slider has arrived
    await picture(portal.page, `connector-${size}`);
    const frame = portal.page.frames().find((one) => one.url().includes('/bitrix24/'));
    assert.equal(await frame.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `at ${size}`);
  }
  await portal.page.setViewportSize(WIDTHS[0][1]);
  await menu('slider-close').click();
  await connect('switchboard_waba', 12);
  await connect('switchboard_telegram_bot', 15);
  const { open_lines } = await control('/_/b24/demo');
  assert.deepEqual(open_lines.lines.map((line) => line.connectors), [['switchboard_waba'], ['switchboard_telegram_bot']]);
});

test('what is wrong in the settings is told at its field, and an employee may not change them', { timeout: 60_000 }, async () => {
  await openConnector('switchboard_waba', 12);
  await inside('ask').click();
  await inside('asked').waitFor();
  await inside('ignored').fill('звоните');
  await inside('save').click();
  await inside('connector-settings').getByRole('alert').first().waitFor();
  await picture(portal.page, 'connector-wrong');
  await inside('ignored').fill('+7 999 000-00-09');
  await inside('save').click();
  await until('the number is kept cleaned', async () => (await inside('ignored').inputValue()) === '79990000009');
  await portal.page.goto(`${demo.address}/portal?name=demo&user=33&at=center`, { waitUntil: 'load' });
  await menu('connector-switchboard_waba-12').click();
  await inside('no-right').waitFor();
});

test('a webhook is set up in the settings, its secret is shown once, and what it hears of is told there', { timeout: 60_000 }, async () => {
  const heard = [];
  const receiver = createServer((request, reply) => {
    heard.push(request.headers['webhook-id']);
    request.resume().on('end', () => reply.writeHead(204).end());
  });
  await new Promise((listening) => receiver.listen(0, '127.0.0.1', listening));
  try {
    await portal.page.goto(`${demo.address}/portal?name=demo&user=1&at=center`, { waitUntil: 'load' });
    await openConnector('switchboard_waba', 12);
    await inside('webhook-url').fill('ftp://example.com');
    await inside('webhook-save').click();
    await inside('webhook').getByText('Нужен адрес вида').waitFor();
    await inside('webhook-url').fill(`http://127.0.0.1:${receiver.address().port}/hook`);
    await inside('webhook-save').click();
    await inside('webhook-secret').waitFor();
    assert.match(await inside('webhook-secret').inputValue(), /^whsec_/);
    for (const [size, viewport] of WIDTHS) {
      await portal.page.setViewportSize(viewport);
      await portal.page.waitForTimeout(400);
      await picture(inside('webhook'), `webhook-${size}`); // the frame scrolls, so a part is taken
    }
    await portal.page.setViewportSize(WIDTHS[0][1]);
    await control(`/_/phones/${ANNA}/say`, { messenger: 'waba', text: 'Работаете?' });
    await until('the receiver hears of it', () => heard.length > 0);
    await until('the page tells so', async () => {
      await menu('slider-close').click();
      await openConnector('switchboard_waba', 12);
      await inside('webhook-url').waitFor();
      return (await inside('webhook-last').count()) > 0 && /событие принято/.test(await inside('webhook-last').textContent());
    });
    assert.equal(await inside('webhook-secret').count(), 0, 'the secret is told once');
    await picture(inside('webhook'), 'webhook-told');
    await inside('webhook-remove').click();
    await portal.page.frameLocator('[data-test="app-frame"]').getByRole('dialog').getByRole('button', { name: 'Удалить вебхук', exact: true }).click();
    await inside('webhook-state').waitFor({ state: 'detached' });
    assert.equal(await inside('webhook-url').inputValue(), '');
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }
});

test('a customer and an operator talk through WhatsApp, with files and read marks', { timeout: 120_000 }, async () => {
  await part(`phone-${ANNA}`).click();
  await part('messenger-waba').click();
  await part('phone-text').fill('Есть ли доставка?');
  await part('phone-file').setInputFiles({ name: 'адрес.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4 адрес') });
  await part('phone-send').click();
  await chat().getByText('Есть ли доставка?').waitFor();
  await chat().getByText('адрес.pdf').waitFor();
  await part('chat-text').fill('Да, [b]завтра[/b]');
  await part('chat-file').setInputFiles({ name: 'счёт.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.4 счёт') });
  await part('chat-send').click();
  await part('phone-messages').getByText('завтра').waitFor();
  await part('phone-messages').getByText('счёт.pdf').waitFor();
  await chat().locator('.bubble.mine .ticks', { hasText: '✓' }).first().waitFor();
  await part('phone-read').click();
  await chat().locator('.bubble.mine .ticks', { hasText: '✓✓' }).first().waitFor();
  await lookAt(sandbox.page, 'open-lines-waba');
});

test('what an operator changes and takes back in Telegram changes on the phone', { timeout: 120_000 }, async () => {
  await part('messenger-telegram_bot').click();
  await part('phone-line').selectOption('100200300');
  await part('phone-text').fill('/start');
  await part('phone-send').click();
  await part('phone-messages').getByText('/start').waitFor();
  await part('phone-text').fill('А самовывоз?');
  await part('phone-send').click();
  const talk = await until('the chat is there', async () => (await control('/_/b24/demo/chats')).chats.find((one) => one.connector === 'switchboard_telegram_bot'));
  await part('chat').selectOption(String(talk.id));
  await chat().getByText('А самовывоз?').waitFor();
  await part('chat-text').fill('С девяти');
  await part('chat-send').click();
  await part('phone-messages').getByText('С девяти').waitFor();
  await chat().locator('.bubble.mine .ticks', { hasText: '✓' }).first().waitFor();
  sandbox.page.once('dialog', (dialog) => dialog.accept('С десяти'));
  await chat().locator('.bubble.mine [data-test^="chat-edit-"]').last().click();
  await part('phone-messages').getByText('С десяти').waitFor();
  assert.equal(await part('phone-messages').getByText('С девяти').count(), 0);
  await chat().locator('.bubble.mine [data-test^="chat-delete-"]').last().click();
  await until('it is gone from the phone', async () => (await part('phone-messages').getByText('С десяти').count()) === 0);
  await picture(sandbox.page, 'open-lines-telegram');
});

test('a connector is disconnected in its settings, and the pages load nothing from elsewhere', { timeout: 60_000 }, async () => {
  await portal.page.goto(`${demo.address}/portal?name=demo&user=1&at=center`, { waitUntil: 'load' });
  await openConnector('switchboard_telegram_bot', 15);
  await inside('disconnect').click();
  await portal.page.frameLocator('[data-test="app-frame"]').getByRole('dialog').getByRole('button', { name: 'Отключить', exact: true }).click();
  await inside('state').getByText('Отключён', { exact: true }).waitFor();
  const { open_lines } = await control('/_/b24/demo');
  assert.deepEqual(open_lines.lines[1].connectors, []);
  // the browser lets no page in a frame take the focus that nobody gave it
  const complaints = [...portal.complaints, ...sandbox.complaints].filter((one) => !one.includes('Blocked autofocusing'));
  assert.deepEqual(complaints, []);
});
