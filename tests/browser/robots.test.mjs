// Each of the twelve robots, fired from the deal of the sandbox by its stage, once with good input and once with bad: what the step
// was told, the comment in the card, and what came of it on the other side.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { look, openPage, picture, startDemo } from './demo.mjs';

const ANNA = '79990000001';
const IVAN = '79990000002';
const ELENA = '79990000003';
/** Whose phone is linked to the server. */
const OWNER = '79990000009';
const NO_GROUP = '120363999999999999@g.us';
/** No pause between calls: the story is about what robots say, and another one measures the pace. */
const AT_ONCE = { queue: 'urgent' };

let demo, sandbox, beside;
let fired = 0;

before(async () => {
  demo = await startDemo();
  const said = demo.log.join('\n');
  const [, cabinet] = /^Cabinet +(\S+)/m.exec(said);
  sandbox = await openPage(demo.address);
  beside = await openPage(cabinet);
  for (const { page } of [sandbox, beside]) page.setDefaultTimeout(15_000);
  const [, login, password] = /^Login +(\S+) +(\S+)/m.exec(demo.log.join('\n'));
  await linkWhatsApp(login, password);
}, { timeout: 120_000 });

after(async () => {
  await sandbox?.close();
  await beside?.close();
  if (demo) assert.equal(await demo.stop(), 0, 'the demo stops by itself when asked to');
});

const part = (name) => sandbox.page.locator(`[data-test="${name}"]`);

/** Groups are made by a phone: it is attached to the line of the demo as a person does it. */
async function linkWhatsApp(login, password) {
  const { page } = beside;
  await page.locator('input[name="login"]').fill(login);
  await page.locator('input[name="password"]').fill(password);
  await page.keyboard.press('Enter');
  await page.getByRole('link', { name: 'Линия 1', exact: true }).click();
  await page.locator('[data-test="messenger-whatsapp_web"]').getByRole('button', { name: /Привязать/ }).click();
  await page.getByRole('img', { name: 'QR-код для подключения' }).waitFor();
  await showPhone(OWNER, 'whatsapp_web');
  await sandbox.page.locator('[data-test^="scan-"]').first().click();
  await page.getByText('Канал подключён').waitFor();
}

async function showPhone(phone, messenger) {
  await part(`phone-${phone}`).click();
  await part(`messenger-${messenger}`).click();
}

/** Waits until a phone shows a message, or a file. */
async function gets(phone, messenger, text) {
  await showPhone(phone, messenger);
  await part('phone-messages').getByText(text).first().waitFor();
}

/** Waits until a phone shows its group like this. */
async function isInGroup(phone, title, people) {
  await showPhone(phone, 'whatsapp_web');
  await part('groups').locator('li').filter({ hasText: title }).filter({ hasText: people }).waitFor();
}

/** What a phone lets happen is switched on its screen. */
async function switchPhone(phone, test, on) {
  await showPhone(phone, 'whatsapp_web');
  await part(test).setChecked(on);
  await sandbox.page.locator(`[data-test="${test}"][data-on="${on}"]`).waitFor();
}

async function makeDocument(title, pdf) {
  if (!(await part('document-title').isVisible())) await part('storage').locator('summary').click();
  await part('document-title').fill(title);
  await part('document-pdf').selectOption(pdf);
  await part('document-put').click();
  await part('documents').getByText(title).waitFor();
}

/** Chooses below a field what is offered there; tells what stands in the field then. */
const pick = (text) => async (name) => {
  const option = part(`pick-${name}`).locator('option', { hasText: text }).first();
  await part(`pick-${name}`).selectOption(await option.getAttribute('value'));
  return part(`field-${name}`).inputValue();
};

async function fillIn(name, value) {
  if (typeof value === 'function') {
    assert.ok(await value(name), `${name} is filled in`);
  } else if ((await part(`field-${name}`).evaluate((field) => field.tagName)) === 'SELECT') {
    await part(`field-${name}`).selectOption(value);
  } else {
    await part(`field-${name}`).fill(value);
  }
}

/** The deal comes to the stage, and the robot is answered: all that the step shows, and the comment in the card. */
async function fire(robot, fields, timeout) {
  await part('robot-select').selectOption(`switchboard_${robot}`);
  await part('robot-timeout').fill(String(timeout));
  for (const [name, value] of Object.entries({ ...fields, card_comment: 'Y' })) await fillIn(name, value);
  await part('stage-EXECUTING').click();
  fired += 1;
  const step = sandbox.page.locator(`[data-test="step-${fired}"][data-state="answered"]`);
  await step.waitFor();
  const results = {};
  for (const one of await step.locator('dd').all()) results[(await one.getAttribute('data-test')).replace('returned-', '')] = await one.textContent();
  // each firing leaves one comment, the newest stands first
  const comments = part('timeline').locator('li:not(.hush)');
  await comments.nth(fired - 1).waitFor();
  assert.equal(await comments.count(), fired, 'one comment for each firing');
  const comment = await comments.first().textContent();
  assert.ok(comment.includes(`[Switchboard] ${results.details}`), `${comment} tells ${results.details}`);
  return results;
}

function assertTold(results, { status, details, ...others }) {
  assert.deepEqual([results.status, results.in_time], [status, '1'], JSON.stringify(results));
  assert.match(results.details, details instanceof RegExp ? details : new RegExp(`^${details}$`));
  for (const [name, wanted] of Object.entries(others)) {
    if (wanted instanceof RegExp) assert.match(results[name], wanted);
    else assert.equal(results[name], wanted, name);
  }
}

/** The only dialog with Anna, in the card of the deal as an employee opens it in the portal. */
async function dialog() {
  await beside.page.goto(`${demo.address}/portal?name=demo&user=33&at=deal-1`, { waitUntil: 'load' });
  return beside.page.frameLocator('[data-test="app-frame"]').locator('[data-test="dialog"]');
}

const tags = async (count) => {
  const found = (await dialog()).locator('[data-test="tags"] .b24-tag');
  await found.nth(count - 1).waitFor();
  return found.allTextContents();
};

const toAnna = { phones: '+7 999 000-00-01', channel: 'waba', ...AT_ONCE };
const good = `${ANNA}:Y:`;
const failed = (chat, code) => new RegExp(`^${chat}:N:\\[${code}\\] \\S`);

/** `prepare`: what is so before; `seen`: what is so after it, on the other side; `timeout`: for how long the step waits, in seconds. */
const FIRINGS = [
  {
    robot: 'send', with: 'good', fields: { ...toAnna, message: 'Здравствуйте, Анна! Ваш заказ готов.' },
    told: { status: 'Y', details: good }, seen: () => gets(ANNA, 'waba', 'Ваш заказ готов.'),
  },
  { robot: 'send', with: 'bad', fields: { ...toAnna, phones: '12' }, told: { status: 'N', details: failed('12', 'address_bad') } },
  {
    robot: 'send_file', with: 'good',
    prepare: async () => {
      await part('storage').locator('summary').click();
      await part('disk-file').setInputFiles({ name: 'договор.pdf', mimeType: 'application/pdf', buffer: Buffer.from('%PDF-1.7 договор') });
      await part('disk-put').click();
      await part('disk').getByText('договор.pdf').waitFor();
    },
    fields: { ...toAnna, disk_file_id: pick('договор.pdf'), message: 'Ваш договор' },
    told: { status: 'Y', details: good },
    seen: async () => {
      await gets(ANNA, 'waba', 'договор.pdf');
      await gets(ANNA, 'waba', 'Ваш договор');
    },
  },
  {
    robot: 'send_file', with: 'bad',
    prepare: async () => {
      await part('disk').locator('li', { hasText: 'договор.pdf' }).getByRole('button').click();
      await part('disk').getByText('договор.pdf').waitFor({ state: 'detached' });
    },
    // its number stands in the field as it was picked
    fields: { ...toAnna, disk_file_id: (name) => part(`field-${name}`).inputValue() },
    told: { status: 'N', details: failed(ANNA, 'file_gone') },
  },
  {
    robot: 'send_document', with: 'good', prepare: () => makeDocument('Акт 5', 'ready'),
    fields: { ...toAnna, document_id: pick('Акт 5'), format: 'pdf', message: 'Ваш акт' },
    told: { status: 'Y', details: good }, seen: () => gets(ANNA, 'waba', 'Акт 5.pdf'),
  },
  {
    // the time is over before the portal has made the PDF: the robot is answered sooner
    robot: 'send_document', with: 'bad', prepare: () => makeDocument('Акт 6', 'waited'), timeout: 8,
    fields: { ...toAnna, document_id: pick('Акт 6'), format: 'pdf' }, told: { status: 'N', details: failed(ANNA, 'document_not_ready') },
  },
  {
    robot: 'check_phone', with: 'good', fields: { phones: '8 (999) 000-00-01', ...AT_ONCE },
    told: { status: 'Y', details: good, found: ANNA, missing: '—' },
  },
  {
    robot: 'check_phone', with: 'bad', prepare: () => switchPhone(ELENA, 'phone-whatsapp', false),
    fields: { phones: `+${ELENA}; 12`, ...AT_ONCE },
    told: { status: 'N', details: new RegExp(`${failed(ELENA, 'nobody').source}.*; 12:N:\\[address_bad\\] `), found: '—', missing: ELENA },
  },
  {
    robot: 'set_tags', with: 'good', fields: { phones: '+79990000001', tags: 'Горячий; VIP клиент' },
    told: { status: 'Y', details: good }, seen: async () => assert.deepEqual(await tags(2), ['Горячий', 'VIP клиент']),
  },
  { robot: 'set_tags', with: 'bad', fields: { phones: '+79990000001', tags: ' ; ' }, told: { status: 'N', details: failed(ANNA, 'tag_bad') } },
  {
    robot: 'remove_tags', with: 'good', fields: { phones: '+79990000001', tags: 'vip клиент' },
    told: { status: 'Y', details: good }, seen: async () => assert.deepEqual(await tags(1), ['Горячий']),
  },
  {
    robot: 'remove_tags', with: 'bad', fields: { phones: '+7 999 555-00-00', tags: 'Горячий' },
    told: { status: 'N', details: failed('79995550000', 'dialog_not_found') },
  },
  {
    robot: 'create_group', with: 'good', prepare: () => switchPhone(IVAN, 'phone-open', false),
    fields: { title: 'Заказ 15', phones: `+${ANNA}; +${IVAN}; +${ELENA}`, ...AT_ONCE },
    told: {
      status: 'Y', details: new RegExp(`^\\d+@g\\.us:Y:; ${IVAN}:N:\\[group_privacy\\] .+; ${ELENA}:N:\\[nobody\\] `),
      chat_id: /^\d+@g\.us$/, invite_link: /^https:\/\/chat\.whatsapp\.com\//, added: ANNA, invited: IVAN, refused: ELENA,
    },
    seen: async () => {
      await gets(IVAN, 'whatsapp_web', 'Приглашаем вас в группу «Заказ 15»');
      await isInGroup(ANNA, 'Заказ 15', 'мы, Анна');
    },
  },
  {
    robot: 'create_group', with: 'bad', fields: { title: 'Пустая', phones: `+${ELENA}`, ...AT_ONCE },
    told: { status: 'N', details: failed('', 'nobody'), chat_id: '—', added: '—', invited: '—', refused: ELENA },
  },
  {
    robot: 'add_to_group', with: 'good', prepare: () => switchPhone(IVAN, 'phone-open', true),
    fields: { group_ids: pick('Заказ 15'), phones: `+${IVAN}`, ...AT_ONCE },
    told: { status: 'Y', details: /^\d+@g\.us:Y:$/, added: IVAN, invited: '—', refused: '—' }, seen: () => isInGroup(IVAN, 'Заказ 15', 'мы, Анна, Иван'),
  },
  {
    robot: 'add_to_group', with: 'bad', fields: { group_ids: NO_GROUP, phones: `+${IVAN}`, ...AT_ONCE },
    told: { status: 'N', details: failed(NO_GROUP, 'refused'), added: '—', refused: IVAN },
  },
  {
    robot: 'group_message', with: 'good', fields: { group_ids: pick('Заказ 15'), message: 'Доставим завтра', document_id: '', ...AT_ONCE },
    told: { status: 'Y', details: /^\d+@g\.us:Y:$/ },
    seen: async () => {
      for (const phone of [ANNA, IVAN]) await gets(phone, 'whatsapp_web', 'Доставим завтра');
    },
  },
  {
    robot: 'group_message', with: 'bad', fields: { group_ids: pick('Заказ 15'), message: 'Ваш счёт', document_id: '999', ...AT_ONCE },
    told: { status: 'N', details: /^\d+@g\.us:N:\[file_gone\] \S/ },
  },
  {
    robot: 'group_file', with: 'good', fields: { group_ids: pick('Заказ 15'), disk_file_id: pick('счёт 17.pdf'), ...AT_ONCE },
    told: { status: 'Y', details: /^\d+@g\.us:Y:$/ },
    seen: async () => {
      for (const phone of [ANNA, IVAN]) await gets(phone, 'whatsapp_web', 'счёт 17.pdf');
    },
  },
  {
    robot: 'group_file', with: 'bad', fields: { group_ids: pick('Заказ 15'), disk_file_id: 'счёт 17.pdf', ...AT_ONCE },
    told: { status: 'N', details: /^\d+@g\.us:N:\[file_id_bad\] \S/ },
  },
  {
    robot: 'rename_chat', with: 'good', fields: { phones: '', chat_ids: pick('Заказ 15'), title: 'Заказ 15, доставка', ...AT_ONCE },
    told: { status: 'Y', details: /^\d+@g\.us:Y:$/ }, seen: () => isInGroup(IVAN, 'Заказ 15, доставка', 'мы, Анна, Иван'),
  },
  {
    robot: 'rename_chat', with: 'bad', fields: { phones: '', chat_ids: pick('Заказ 15'), title: '', ...AT_ONCE },
    told: { status: 'N', details: /^\d+@g\.us:N:\[title_bad\] \S/ },
  },
  {
    robot: 'delete_group', with: 'good', fields: { group_ids: pick('Заказ 15'), ...AT_ONCE },
    told: { status: 'Y', details: /^\d+@g\.us:Y:$/ }, seen: () => isInGroup(ANNA, 'Заказ 15, доставка', 'мы вышли'),
  },
  {
    robot: 'delete_group', with: 'bad', fields: { group_ids: NO_GROUP, ...AT_ONCE },
    told: { status: 'N', details: failed(NO_GROUP, 'refused') },
  },
];

test('the robots of the story are those of the portal, each with good and with bad input', async () => {
  const codes = await part('robot-select').locator('option').evaluateAll((options) => options.map((option) => option.value));
  assert.equal(codes.length, 12);
  const wanted = codes.flatMap((code) => [`${code} good`, `${code} bad`]).sort();
  assert.deepEqual(FIRINGS.map((one) => `switchboard_${one.robot} ${one.with}`).sort(), wanted);
});

for (const { robot, with: input, prepare, fields, timeout = 600, told, seen } of FIRINGS) {
  test(`${robot} with ${input} input`, { timeout: 60_000 }, async (context) => {
    await prepare?.();
    const results = await fire(robot, fields, timeout);
    context.diagnostic(Object.entries(results).map(([name, value]) => `${name}: ${value}`).join(' | '));
    assertTold(results, told);
    await seen?.();
    if (robot === 'create_group') await picture(sandbox.page, `robots-${robot}-${input}`);
  });
}

test('the title of a dialog is another one in the card', { timeout: 60_000 }, async () => {
  assertTold(await fire('rename_chat', { phones: '+79990000001', chat_ids: '', title: 'Анна, заказ 15', ...AT_ONCE }, 600), { status: 'Y', details: good });
  await (await dialog()).getByText('Анна, заказ 15').waitFor();
  await picture(beside.page, 'robots-card');
});

test('a robot is fired in English on a phone', { timeout: 60_000 }, async () => {
  await look(sandbox.page, 'robots');
  await sandbox.page.setViewportSize({ width: 370, height: 800 });
  await part('lang-en').click();
  const results = await fire('check_phone', { phones: '+7 999 000-00-02', ...AT_ONCE }, 600);
  assertTold(results, { status: 'Y', details: `${IVAN}:Y:`, found: IVAN, missing: '—' });
  await part('robot-result').getByText('Have the messenger').first().waitFor();
  await look(sandbox.page, 'robots-en');
});

test('nobody outside is asked and there are no script errors', () => {
  // the browser lets no page in a frame take the focus that nobody gave it
  const complaints = [...sandbox.complaints, ...beside.complaints].filter((one) => !one.includes('Blocked autofocusing'));
  assert.deepEqual(complaints, []);
});
