// A letter of CRM-marketing to a hundred people, on the page of the sandbox: paused at seven, resumed, stopped at twenty. And the robots
// of its deal.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { openPage, picture, startDemo } from './demo.mjs';

/** Slower than a person clicks, faster than one waits, in milliseconds. */
const PACE_MS = 4_000;

/** The number of the demo's line; the sandbox has another one, which belongs to nobody. */
const NUMBER = '106540352242922';

let demo, view;

const part = (name) => view.page.locator(`[data-test="${name}"]`);
const letter = (state) => view.page.locator(`[data-test^="mailing-"]${state ? `[data-state="${state}"]` : ''}`).first();
const control = async (path, body, method = body ? 'POST' : 'GET') => {
  const headers = { 'content-type': 'application/json' };
  const reply = await fetch(new URL(path, demo.address), { method, headers, body: body && JSON.stringify(body) });
  const text = await reply.text();
  assert.ok(reply.ok, `${method} ${path}: ${reply.status} ${text}`);
  return text ? JSON.parse(text) : null;
};

/** How many messages WhatsApp took, by its own ledger. */
const left = async () => {
  const { entries } = await control('/_/ledger?vendor=waba&method=messages&limit=1000');
  return entries.filter((entry) => entry.status === 200).length;
};

const leaving = async (count) => {
  while ((await left()) < count) await view.page.waitForTimeout(50);
  assert.equal(await left(), count);
};

/** Waits until what a person wrote has arrived: WhatsApp takes free texts only after it. */
const mayBeWrittenTo = async (channel, phone) => {
  const chat = new URL(`/_/switchboard/api/v1/channels/${channel}/chats/${phone}`, demo.address);
  const isOpen = async () => (await (await fetch(chat)).json()).window?.open;
  while (!(await isOpen())) await view.page.waitForTimeout(50);
};

const nothingLeavesAfter = async (count) => {
  await view.page.waitForTimeout(2 * PACE_MS);
  assert.equal(await left(), count, 'no further message has left');
};

before(async () => {
  demo = await startDemo();
  view = await openPage(demo.address);
  view.page.on('dialog', (dialog) => dialog.accept());
  // everybody wrote first, and the channel is quicker than the demo's
  await control('/_/phones', { from: '79990000001', count: 100, started: true, window: 24 });
  for (let n = 1; n <= 100; n += 1) {
    await control(`/_/phones/${79_990_000_000 + n}/say`, { messenger: 'waba', line: NUMBER, text: 'Добрый день' });
  }
  const { channels } = await control('/_/switchboard/api/v1/channels');
  const channel = channels.find((one) => one.messenger === 'waba');
  for (let n = 1; n <= 100; n += 1) await mayBeWrittenTo(channel.id, 79_990_000_000 + n);
  const pace = { from_ms: PACE_MS, to_ms: PACE_MS, live_ms: 1_000 };
  await control(`/_/switchboard/api/v1/channels/${channel.id}`, pace, 'PATCH');
}, { timeout: 180_000 });

afterEach(async (context) => {
  if (view) await picture(view.page, context.name.replaceAll(/\W+/g, '-'));
});

after(async () => {
  await view?.close();
  if (demo) assert.equal(await demo.stop(), 0, 'the demo stops by itself when asked to');
});

test('a letter of a hundred is paused at seven', { timeout: 120_000 }, async () => {
  await part('letter-count').fill('100');
  await part('start-letter').click();
  await leaving(7);
  await letter().locator('[data-test="pause"]').click();
  await letter('paused').waitFor();
  await nothingLeavesAfter(7);
  const { mailings } = await control('/_/switchboard/api/v1/mailings');
  assert.equal(mailings.length, 1, 'personalised texts are one letter');
  assert.equal(mailings[0].total, 100);
  assert.equal(mailings[0].counts.pending, 93);
});

test('it goes on, is stopped at twenty, and the portal hears of each', { timeout: 180_000 }, async () => {
  await letter().locator('[data-test="resume"]').click();
  await letter('running').waitFor();
  await leaving(20);
  await letter().locator('[data-test="stop"]').click();
  await letter('stopped').waitFor();
  await nothingLeavesAfter(20);
  const { messages } = await control('/_/b24/demo/letters/last');
  const of = (status) => messages.filter((message) => message.status === status).length;
  assert.deepEqual([of('delivered'), of('failed')], [20, 80]);
  const { notices } = await control('/_/b24/demo');
  const notice = notices.find((one) => one.text.includes('остановлена в Switchboard'));
  assert.match(notice?.text ?? '', /Не отправлено сообщений: 80/);
  const { mailings } = await control('/_/switchboard/api/v1/mailings');
  const { recipients } = await control(`/_/switchboard/api/v1/mailings/${mailings[0].id}`);
  const reasons = recipients.filter((one) => one.status === 'not_sent').map((one) => one.reason);
  assert.deepEqual([reasons.length, new Set(reasons)], [80, new Set(['отправка остановлена'])]);
});

test('every robot can be chosen, and one sends a file of the Disk', { timeout: 60_000 }, async () => {
  assert.equal(await part('robot-select').locator('option').count(), 12);
  await part('robot-select').selectOption('switchboard_send_file');
  assert.equal(await part('field-disk_file_id').inputValue(), '5437');
  await part('field-phones').fill('79990000001');
  await part('fire-robot').click();
  await part('returned-details').first().waitFor();
  assert.equal(await part('returned-details').first().textContent(), '79990000001:Y:');
  const { messages } = await control('/_/phones/79990000001');
  assert.ok(messages.some((one) => one.media?.name === 'счёт 17.pdf'), 'the file is on the phone');
});

test('the page asks nobody outside and has no script errors', () => {
  assert.deepEqual(view.complaints, []);
});
