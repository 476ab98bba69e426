// What a person does with the demo, in the order of the story. The page marks its parts with data-test="...".
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { openPage, picture, startDemo } from './demo.mjs';

// the sandbox sees when a call arrives, not when it left: the first one also opened its connection, and all share the processors with
// a browser. To the millisecond the pace is measured by the tests that crash servers
const WAY_MS = 1_000;
/** The pace of a channel of the demo, in milliseconds. */
const PACE_MS = 15_000;

let demo, view;

before(async () => {
  demo = await startDemo();
  view = await openPage(demo.address);
  view.page.on('dialog', (dialog) => dialog.accept());
}, { timeout: 120_000 });

afterEach(async (context) => {
  if (view) await picture(view.page, context.name.replaceAll(/\W+/g, '-'));
});

after(async () => {
  await view?.close();
  if (demo) assert.equal(await demo.stop(), 0, 'the demo stops by itself when asked to');
});

const part = (name) => view.page.locator(`[data-test="${name}"]`);
const mailing = () => view.page.locator('[data-test^="mailing-"]').first();
const control = async (path) => (await fetch(new URL(path, demo.address))).json();

/** When messages began to leave through WhatsApp, in milliseconds: from the ledger of the vendor, not from what we say. */
const starts = async () => {
  const { entries } = await control('/_/ledger?vendor=waba&method=messages&limit=1000');
  return entries.filter((entry) => entry.status === 200).map((entry) => entry.at_us / 1000).sort((one, other) => one - other);
};

/** Waits until as many messages have left. */
const leaving = async (count) => {
  while ((await starts()).length < count) await view.page.waitForTimeout(200);
  return starts();
};

/** Looks at the ledger for longer than the pace: whoever still sends is caught. */
const nothingLeavesAfter = async (count) => {
  await view.page.waitForTimeout(PACE_MS + 2_000);
  assert.equal((await starts()).length, count, 'no further message has left');
};

test('the page shows what can be done and what waits', { timeout: 30_000 }, async () => {
  for (const name of ['fire-robot', 'start-letter', 'queue']) await part(name).first().waitFor({ state: 'visible' });
});

test('a robot fired by the stage reaches the phone and its results reach the deal', { timeout: 60_000 }, async () => {
  await part('field-message').fill('Здравствуйте, Анна! Ваш заказ готов.');
  await part('field-card_comment').selectOption('Y');
  await part('stage-EXECUTING').click();
  await part('phone-messages').getByText('Ваш заказ готов.').waitFor();
  await part('returned-status').waitFor();
  assert.equal(await part('returned-status').textContent(), 'Y');
  assert.equal(await part('returned-details').textContent(), '79990000001:Y:');
  assert.equal(await part('returned-in_time').textContent(), '1');
  await part('timeline').getByText('79990000001:Y:').waitFor();
  assert.equal(await part('stage-EXECUTING').getAttribute('aria-pressed'), 'true');
});

test('a customer answers and is seen', { timeout: 30_000 }, async () => {
  await part('phone-text').fill('Спасибо, заберу завтра');
  await part('phone-send').click();
  await part('phone-messages').getByText('заберу завтра').waitFor();
});

test('a letter to ten contacts leaves at the pace', { timeout: 120_000 }, async () => {
  await part('letter-count').fill('10');
  await part('start-letter').click();
  await mailing().waitFor();
  // the robot's message was the first of the channel, and the pace counts from it
  const at = await leaving(4);
  for (let n = 1; n < at.length; n += 1) {
    assert.ok(at[n] - at[n - 1] >= PACE_MS - WAY_MS, `${at[n] - at[n - 1]} ms between message ${n} and the next`);
  }
  assert.ok(at[3] - at[1] < 2 * PACE_MS + 2_000, 'and it leaves without a delay that nobody asked for');
});

test('a paused letter sends nothing', { timeout: 60_000 }, async () => {
  await mailing().locator('[data-test="pause"]').click();
  await view.page.locator('[data-test^="mailing-"][data-state="paused"]').waitFor();
  await nothingLeavesAfter((await starts()).length);
});

test('a resumed letter goes on with the rest', { timeout: 60_000 }, async () => {
  const count = (await starts()).length;
  await mailing().locator('[data-test="resume"]').click();
  await view.page.locator('[data-test^="mailing-"][data-state="running"]').waitFor();
  const at = await leaving(count + 1);
  assert.ok(at[count] - at[count - 1] >= PACE_MS - WAY_MS);
});

test('a stopped letter sends no further message, and the portal hears of each', { timeout: 60_000 }, async () => {
  await mailing().locator('[data-test="stop"]').click();
  await view.page.locator('[data-test^="mailing-"][data-state="stopped"]').waitFor();
  const count = (await starts()).length;
  await nothingLeavesAfter(count);
  const { messages } = await control('/_/b24/demo/letters/last');
  const of = (status) => messages.filter((message) => message.status === status).length;
  // one of those that left was the robot's
  assert.deepEqual([of('delivered'), of('failed')], [count - 1, 10 - (count - 1)]);
});

test('the page speaks English and fits a phone', { timeout: 30_000 }, async () => {
  await part('lang-en').click();
  await view.page.getByRole('heading', { name: 'Sandbox', exact: true }).waitFor();
  await view.page.setViewportSize({ width: 370, height: 800 });
  const wider = await view.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(wider, 0, 'nothing is wider than the screen');
});

test('the page asks nobody outside and has no script errors', () => {
  assert.deepEqual(view.complaints, []);
});
