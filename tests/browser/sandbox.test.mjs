// What a person does with the demo, in the order of the story. The page marks its parts with data-test="...".
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import { openPage, picture, startDemo } from './demo.mjs';

let demo, view;

before(async () => {
  demo = await startDemo();
  view = await openPage(demo.address);
}, { timeout: 120_000 });

afterEach(async (context) => {
  if (view) await picture(view.page, context.name.replaceAll(/\W+/g, '-'));
});

after(async () => {
  await view?.close();
  if (demo) assert.equal(await demo.stop(), 0, 'the demo stops by itself when asked to');
});

const part = (name) => view.page.locator(`[data-test="${name}"]`);

test('the page shows what can be done and what waits', { timeout: 30_000 }, async () => {
  for (const name of ['fire-robot', 'start-letter', 'queue']) await part(name).first().waitFor({ state: 'visible' });
});

test('the page asks nobody outside and has no script errors', () => {
  assert.deepEqual(view.complaints, []);
});
