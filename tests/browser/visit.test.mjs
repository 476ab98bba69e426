// Signing in at the page of a service: the browser goes there, comes back to our page, and the attaching goes on by itself.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { look, openPage } from './demo.mjs';
import { control, startServer } from './server.mjs';

let server, view, page;

before(async () => {
  server = await startServer((sandbox) => ({ VENDORS__AVITO: `${sandbox}/avito`, AVITO__CLIENT_ID: 'application', AVITO__CLIENT_SECRET: 'secret' }));
  const redirect = new URL('/attach/return', server.address).href;
  await control(server, '/_/avito/accounts', { id: 94_235_311, name: 'Ромашка', client_id: 'application', client_secret: 'secret', redirect });
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

test('a seller signs in at Avito and the channel is attached', { timeout: 90_000 }, async () => {
  await page.getByRole('heading', { name: 'Первый запуск' }).waitFor();
  const person = { company: 'Ромашка', name: 'Анна', login: 'anna@example.com', password: 'очень длинный пароль' };
  for (const [name, value] of Object.entries(person)) await named(name).fill(value);
  await page.keyboard.press('Enter');
  await page.getByText('Линий пока нет').waitFor();
  await page.evaluate(() =>
    fetch('/api/v1/lines', { method: 'POST', headers: { 'x-switchboard': 'test', 'content-type': 'application/json' }, body: '{"name":"Продажи"}' }),
  );
  await page.goto(new URL('/lines', server.address).href);
  await page.getByRole('link', { name: 'Продажи', exact: true }).click();
  await page.getByRole('button', { name: 'Привязать Авито' }).click();
  await dialog().locator('[data-step="redirect"]').waitFor();
  await look(page, 'visit-redirect');
  // whoever has keys of his own gives them instead
  await dialog().getByRole('button', { name: 'Указать ключи вместо входа' }).click();
  await named('client_id').fill('unknown');
  await named('client_secret').fill('unknown');
  await page.keyboard.press('Enter');
  await page.locator('[aria-invalid="true"][name="client_secret"]').waitFor();
  await look(page, 'visit-keys');
  await named('client_id').fill('');
  await named('client_secret').fill('');
  await page.keyboard.press('Enter');
  await dialog().locator('[data-step="redirect"]').waitFor();
  const link = dialog().getByRole('link', { name: 'Перейти ко входу' });
  assert.match(await link.getAttribute('href'), /\/avito\/oauth\?response_type=code/);
  await link.click();
  await page.waitForURL((url) => url.pathname === '/attach/return');
  await dialog().locator('[data-step="done"]').waitFor();
  assert.equal(new URL(page.url()).search, '', 'the code does not stay in the address');
  await look(page, 'visit-done');
  await dialog().getByRole('button', { name: 'Готово', exact: true }).click();
  await page.locator('[data-test="messenger-avito"]').getByText('Подключено', { exact: true }).waitFor();
  assert.match(new URL(page.url()).pathname, /^\/lines\/\d+/);
});

test('a word that nobody was sent with leads nowhere, and says where to begin', { timeout: 60_000 }, async () => {
  await page.goto(new URL('/attach/return?code=x&state=stolen', server.address).href);
  await page.getByText('Начните подключение заново').waitFor();
  await look(page, 'visit-refused');
  await page.getByRole('link', { name: 'К линиям' }).click();
  await page.getByRole('link', { name: 'Продажи', exact: true }).waitFor();
});
