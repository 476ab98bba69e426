// A VK community is attached by signing in at VK: the button, VK's page, the choice of the community, VK's page once more.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { look, openPage } from './demo.mjs';
import { control, startServer } from './server.mjs';

let server, view, page;

before(async () => {
  server = await startServer((sandbox) => ({ VENDORS__VK: `${sandbox}/vk/method`, VK__CLIENT_ID: '51000001', VK__CLIENT_SECRET: 'protected-key' }));
  const redirect = new URL('/attach/return', server.address).href;
  await control(server, '/_/vk/applications', { client_id: '51000001', client_secret: 'protected-key', redirect });
  await control(server, '/_/vk/communities', { id: 200_000_001, name: 'Ромашка', screen_name: 'romashka' });
  await control(server, '/_/vk/communities', { id: 200_000_002, name: 'Василёк — цветы и подарки с доставкой по всей области', screen_name: 'vasilek' });
  view = await openPage(server.address);
  page = view.page;
  page.setDefaultTimeout(10_000);
}, { timeout: 120_000 });

after(async () => {
  await view?.close();
  if (server) assert.deepEqual(await server.stop(), [0, 0]);
});

const dialog = () => page.getByRole('dialog');
const named = (name) => page.locator(`input[name="${name}"]`);
const step = (name) => dialog().locator(`[data-step="${name}"]`);

/** Goes to VK's page and presses a button of it. */
async function visit(button) {
  await step('redirect').waitFor();
  await dialog().getByRole('link', { name: 'Перейти ко входу' }).click();
  await page.locator(`[data-test="${button}"]`).click();
  await page.waitForURL((url) => url.pathname === '/attach/return');
}

async function begin() {
  await page.goto(new URL('/lines', server.address).href);
  await page.getByRole('link', { name: 'Продажи', exact: true }).click();
  await page.getByRole('button', { name: 'Привязать Сообщество ВКонтакте' }).click();
  await dialog().getByRole('button', { name: 'Войти через ВКонтакте' }).waitFor();
}

test('an administrator signs in at VK, chooses a community, and it is attached', { timeout: 90_000 }, async () => {
  await page.getByRole('heading', { name: 'Первый запуск' }).waitFor();
  const person = { company: 'Ромашка', name: 'Анна', login: 'anna@example.com', password: 'очень длинный пароль' };
  for (const [name, value] of Object.entries(person)) await named(name).fill(value);
  await page.keyboard.press('Enter');
  await page.getByText('Линий пока нет').waitFor();
  await page.evaluate(() =>
    fetch('/api/v1/lines', { method: 'POST', headers: { 'x-switchboard': 'test', 'content-type': 'application/json' }, body: '{"name":"Продажи"}' }),
  );
  await begin();
  // the key is asked for beside it, and a button that needs none does not complain of it
  await named('token').waitFor();
  await look(page, 'vk-first');
  await dialog().getByRole('button', { name: 'Войти через ВКонтакте' }).click();
  await step('redirect').waitFor();
  assert.match(await dialog().getByRole('link', { name: 'Перейти ко входу' }).getAttribute('href'), /\/vk\/oauth\/authorize\?.*scope=groups/);
  await visit('allow');
  await step('choose').waitFor();
  await dialog().getByRole('button', { name: 'Далее' }).click();
  await dialog().getByText('Заполните поле').waitFor();
  await look(page, 'vk-choose');
  await dialog().getByLabel('Сообщество').click();
  await page.getByRole('option', { name: /Василёк/ }).waitFor();
  await look(page, 'vk-options');
  assert.equal(await page.getByRole('option').count(), 2);
  assert.match(await page.getByRole('option', { name: /Ромашка/ }).innerText(), /vk\.com\/romashka/);
  await page.getByRole('option', { name: /Василёк/ }).click();
  await look(page, 'vk-chosen');
  await dialog().getByRole('button', { name: 'Далее' }).click();
  await step('redirect').waitFor();
  assert.match(await dialog().getByRole('link', { name: 'Перейти ко входу' }).getAttribute('href'), /group_ids=200000002/);
  await visit('allow');
  await step('done').waitFor();
  assert.equal(new URL(page.url()).search, '', 'the code does not stay in the address');
  await look(page, 'vk-done');
  await dialog().getByRole('button', { name: 'Готово', exact: true }).click();
  const card = page.locator('[data-test="messenger-vk"]');
  await card.getByText('Подключено', { exact: true }).waitFor();
  await card.getByText('Василёк — цветы и подарки').first().waitFor();
});

test('whoever says no at VK is told what to press, and may begin again', { timeout: 60_000 }, async () => {
  await page.goto(new URL('/lines', server.address).href);
  await page.evaluate(() =>
    fetch('/api/v1/lines', { method: 'POST', headers: { 'x-switchboard': 'test', 'content-type': 'application/json' }, body: '{"name":"Вторая"}' }),
  );
  await page.reload();
  await page.getByRole('link', { name: 'Вторая', exact: true }).click();
  await page.getByRole('button', { name: 'Привязать Сообщество ВКонтакте' }).click();
  await dialog().getByRole('button', { name: 'Войти через ВКонтакте' }).click();
  await visit('deny');
  await page.getByText('нажмите «Разрешить»').waitFor();
  await look(page, 'vk-denied');
  await page.getByRole('link', { name: 'К линиям' }).click();
  await page.getByRole('link', { name: 'Вторая', exact: true }).waitFor();
});
