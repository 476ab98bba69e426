// The pages inside Bitrix24, in the frames of a portal that posts them and speaks with the vendor's own kit.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { openPage, picture, startDemo } from './demo.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SIZES = [['1366', { width: 1366, height: 900 }], ['900', { width: 900, height: 700 }], ['370', { width: 370, height: 800 }]];

let demo, view, page;
/** What a look found, told at the end, so that one flaw does not hide the story. */
const flaws = [];

before(async () => {
  demo = await startDemo();
  view = await openPage(`${demo.address}/portal?name=demo`);
  page = view.page;
  page.setDefaultTimeout(15_000);
}, { timeout: 120_000 });

after(async () => {
  await view?.close();
  if (demo) assert.equal(await demo.stop(), 0, 'the demo stops by itself when asked to');
});

const control = async (path, body) => {
  const init = body ? { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } } : {};
  const reply = await fetch(new URL(path, demo.address), init);
  assert.ok(reply.ok, `${path}: ${reply.status}`);
  return reply.json();
};
const portal = () => control('/_/b24/demo');
const part = (name) => page.locator(`[data-test="${name}"]`);
const inside = page_ => page_.frameLocator('[data-test="app-frame"]');
const of = (name) => inside(page).locator(`[data-test="${name}"]`);
const asked = async () => (await page.locator('[data-test="asked"]').allTextContents()).map((line) => line.replace(/^[^:]*: /, ''));
/** Opens the portal anew: as somebody, in some language, at some place. */
const visit = (at, { user = 1, lang = 'ru' } = {}) => page.goto(`${demo.address}/portal?name=demo&user=${user}&lang=${lang}&at=${at}`, { waitUntil: 'load' });

/** A look at what a frame shows at every width: a picture, nothing sideways, nothing that axe finds. */
async function look(name) {
  for (const [size, viewport] of SIZES) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(400); // the frame has its height
    await picture(page, `portal-${name}-${size}`);
    const frame = page.frames().find((one) => one !== page.mainFrame() && one.url().includes('/bitrix24/'));
    const wider = await frame.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (wider > 0) flaws.push(`${name} at ${size}: ${wider} px are beside the frame`);
    await frame.evaluate(axe);
    const { violations } = await frame.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }));
    for (const { id, nodes } of violations) flaws.push(`${name} at ${size}: ${id} ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
  }
  await page.setViewportSize(SIZES[0][1]);
}

test('whoever is no administrator is told who installs, and an administrator installs by opening the page', { timeout: 90_000 }, async () => {
  // whoever opens the page of an application has it installed: this page is open before it is taken away
  await of('app-page').waitFor();
  await control('/_/b24/demo/uninstall', {});
  // the event of it is on its way to the server, which may take its time
  const isGone = async () => (await control('/_/switchboard/api/v1/portals')).portals.every((one) => one.state === 'uninstalled');
  while (!(await isGone())) await page.waitForTimeout(50);
  await visit('app', { user: 33 });
  await of('refused').waitFor();
  assert.equal(await of('refused').getAttribute('data-refusal'), 'not_administrator');
  await look('refused');
  assert.equal((await portal()).installed, false);
  await visit('app', { user: 1 });
  // the installer's page ends the installation, and the portal opens the application in its place
  await of('app-page').waitFor();
  assert.ok((await asked()).some((line) => line.startsWith('setInstallFinish')), 'the page asked to end the installation');
  const card = await portal();
  assert.equal(card.installed, true);
  assert.deepEqual(card.placements.map((one) => one.placement).sort(), ['CRM_CONTACT_DETAIL_TAB', 'CRM_DEAL_DETAIL_TAB', 'CRM_LEAD_DETAIL_TAB']);
});

test('the page of the application shows what stands, and that events arrive', { timeout: 90_000 }, async () => {
  await of('standing').locator('[data-part="arrival"][data-state="good"]').waitFor({ timeout: 35_000 });
  assert.equal(await of('standing').locator('[data-state="bad"]').count(), 0, await of('standing').innerText());
  await look('app');
  await of('install').click();
  await of('put').waitFor();
  await of('check').focus();
  await page.keyboard.press('Enter');
  await of('standing').locator('[data-part="arrival"][data-state="good"]').waitFor({ timeout: 35_000 });
});

test('what is missing is named with its remedy, and the rest goes on', { timeout: 90_000 }, async () => {
  const { scope } = await portal();
  await control('/_/b24/demo/limits', { rate: 0, scope: scope.replace('bizproc,', '') });
  await of('check').click();
  await of('standing').locator('[data-part="robots"][data-state="bad"]').waitFor();
  await of('scopes').getByText('bizproc').waitFor();
  await look('missing');
  await control('/_/b24/demo/limits', { rate: 0, scope });
  await of('check').click();
  await of('scopes').waitFor({ state: 'detached' });
});

test('settings move the tab, and an employee sees no settings', { timeout: 90_000 }, async () => {
  await of('tab-settings').click();
  await of('portal-settings').waitFor();
  await look('settings');
  await inside(page).getByText('Лид', { exact: true }).click();
  await of('portal-settings').getByRole('button', { name: 'Сохранить' }).click();
  await inside(page).getByText('Сохранено').first().waitFor();
  assert.deepEqual((await portal()).placements.map((one) => one.placement).sort(), ['CRM_CONTACT_DETAIL_TAB', 'CRM_DEAL_DETAIL_TAB']);
  await inside(page).getByText('Лид', { exact: true }).click();
  await of('portal-settings').getByRole('button', { name: 'Сохранить' }).click();
  for (let tries = 0; (await portal()).placements.length < 3 && tries < 50; tries += 1) await page.waitForTimeout(100);
  assert.equal((await portal()).placements.length, 3);
  await visit('app', { user: 33 });
  await of('line').first().waitFor();
  assert.equal(await of('check').count() + (await of('tab-settings').count()), 0);
  await look('employee');
});

test('a card shows the dialogs of its client without asking any messenger, and an answer arrives', { timeout: 90_000 }, async () => {
  const { last } = await control('/_/ledger?limit=1');
  await visit('deal-1', { user: 33 });
  await of('dialog').first().waitFor();
  await of('history').getByText('Добрый день').waitFor();
  const { entries } = await control(`/_/ledger?since=${last}&limit=1000`);
  const messengers = entries.filter((entry) => !['bitrix24', 'oauth'].includes(entry.vendor) && JSON.stringify(entry).includes('9990000001'));
  assert.deepEqual(messengers, [], 'no number was looked at');
  await look('card');
  await of('text').fill('Здравствуйте, Анна!');
  await of('text').press('Enter');
  await of('history').getByText('Здравствуйте, Анна!').waitFor();
  let texts = [];
  for (let tries = 0; !texts.includes('Здравствуйте, Анна!') && tries < 100; tries += 1) {
    await page.waitForTimeout(200);
    texts = (await control('/_/phones/79990000001')).messages.map((message) => message.text);
  }
  assert.ok(texts.includes('Здравствуйте, Анна!'), texts.join('; '));
  await of('history').locator('[data-test="message"][data-status="viewed"], [data-test="message"][data-status="delivered"], [data-test="message"][data-status="sent"]').last().waitFor({ timeout: 20_000 });
  // the customer answers while the card is open
  await control('/_/phones/79990000001/say', { messenger: 'waba', text: 'Спасибо!' });
  await of('history').getByText('Спасибо!').waitFor({ timeout: 20_000 });
});

test('somebody without a dialog is written to first, by a template where the messenger wants one', { timeout: 90_000 }, async () => {
  await visit('lead-98', { user: 33 });
  await of('write-form').waitFor();
  assert.equal(await of('to').inputValue(), '+79990000098');
  const waba = await of('channel').locator('option', { hasText: 'WABA' }).first().getAttribute('value');
  await of('channel').selectOption(waba);
  await of('template').waitFor();
  await look('write');
  await of('start').click();
  await inside(page).getByText('Выберите шаблон и заполните его параметры').waitFor();
  const names = await of('template').locator('option').allTextContents();
  assert.ok(names.length > 1, names.join('; '));
  await of('template').selectOption({ index: 1 });
  for (const field of await inside(page).locator('[name^="value-"]').all()) await field.fill('Ирина');
  await of('template-preview').waitFor();
  await look('template');
  await of('start').click();
  await inside(page).getByText('Сообщение поставлено в очередь').first().waitFor();
});

test('a deal of nobody says what to do', { timeout: 60_000 }, async () => {
  await visit('deal-8069', { user: 33 });
  await of('nobody').waitFor();
  await look('nobody');
});

test('the settings of a robot go to the portal, with fields of the card and a preview', { timeout: 90_000 }, async () => {
  await visit('robots');
  await part('settings-switchboard_send').click();
  await of('robot-settings').waitFor();
  const message = of('robot-settings').locator('[name="message"]');
  await message.fill('{Здравствуйте|Добрый день}, ');
  await of('insert-message').selectOption('CONTACT.NAME');
  assert.equal(await message.inputValue(), '{Здравствуйте|Добрый день}, {=Document:CONTACT.NAME}');
  await of('preview').getByText('Здравствуйте, ‹Имя контакта›').waitFor();
  await of('variant').click();
  await of('preview').getByText('Добрый день, ‹Имя контакта›').waitFor();
  await of('robot-settings').locator('[name="channel"]').selectOption('waba');
  await look('robot');
  // the portal keeps what it has heard
  for (const heard of ['CONTACT.NAME', '"channel":"waba"']) await part('asked').filter({ hasText: heard }).first().waitFor();
  await part('robot-keep').click();
  await part('kept-switchboard_send').filter({ hasText: 'CONTACT.NAME' }).waitFor();
  const kept = JSON.parse(await part('kept-switchboard_send').textContent());
  assert.equal(kept.message, '{Здравствуйте|Добрый день}, {=Document:CONTACT.NAME}');
  assert.equal(kept.channel, 'waba');
});

test('the pages speak English where the portal does', { timeout: 60_000 }, async () => {
  await visit('app', { lang: 'en' });
  await inside(page).getByRole('heading', { name: 'What stands in the portal' }).waitFor();
  await look('english');
  await visit('deal-1', { lang: 'en' });
  await of('history').getByText('Добрый день').waitFor();
  await look('english-card');
});

test('a page that was open too long goes on with a fresh token of the portal', { timeout: 60_000 }, async () => {
  await visit('app');
  await of('standing').locator('[data-part="arrival"][data-state="good"]').waitFor({ timeout: 35_000 });
  assert.ok(!(await asked()).includes('refreshAuth'));
  // a quarter of an hour later by the clock of the browser; and the portal's own tokens are over too
  await control('/_/b24/demo/expire-tokens', {});
  await page.clock.setSystemTime(Date.now() + 14.5 * 60_000);
  await of('check').click();
  await page.locator('[data-test="asked"]', { hasText: 'refreshAuth' }).first().waitFor();
  await of('standing').locator('[data-part="arrival"][data-state="good"]').waitFor({ timeout: 35_000 });
  assert.equal(await of('ended').count(), 0);
});

test('nothing was wrong with the pages, and nothing went anywhere else', () => {
  assert.deepEqual(flaws, []);
  assert.deepEqual(view.complaints, []);
});
