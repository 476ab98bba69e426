// Starts the demo in an empty folder, opens its sandbox page in Chromium, and leaves nothing behind.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const repository = fileURLToPath(new URL('../..', import.meta.url));
const binary = process.env.SWITCHBOARD_BINARY ?? path.join(repository, 'target/debug/switchboard');
const pictures = path.join(repository, 'test-results');

/** The demo on free ports: `{ address, log, stop }`. Fails with all its output when it prints no address in a minute. */
export async function startDemo() {
  if (!existsSync(binary)) throw new Error(`${binary} is not there: cargo build`);
  const folder = mkdtempSync(path.join(tmpdir(), 'switchboard-demo-'));
  const child = spawn(binary, ['demo', '--port', '0', '--sandbox-port', '0'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = [];
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGTERM');
    const result = await within(10_000, ended, 'the demo does not stop').catch((error) => (child.kill('SIGKILL'), error));
    rmSync(folder, { recursive: true, force: true });
    return result;
  };
  const address = new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        log.push(line);
        const found = /sandbox|песочниц/i.test(line) && /http:\/\/\S+/.exec(line);
        if (found) resolve(found[0]);
      });
    }
    ended.then((result) => reject(new Error(`the demo ended with ${result}`)));
    child.once('error', reject);
  });
  try {
    return { address: await within(60_000, address, 'the demo prints no address of its sandbox'), log, stop };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${log.join('\n')}`);
  }
}

/** A page in Chromium: `{ page, complaints, close }`. Complaints are script errors and requests that leave this machine. */
export async function openPage(address) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Chromium's own sandbox refuses to work for root, as in most containers
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  });
  const page = await browser.newPage({ viewport: { width: 1400, height: 1000 }, locale: 'ru-RU' });
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`script error: ${error.message}`));
  page.on('console', (message) => message.type() === 'error' && complaints.push(`console: ${message.text()}`));
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    const ours = ['data:', 'blob:'].includes(protocol) || ['127.0.0.1', 'localhost'].includes(hostname);
    if (!ours) complaints.push(`request to ${hostname}`);
  });
  await page.goto(address, { waitUntil: 'load' });
  return { page, complaints, close: () => browser.close() };
}

/** Keeps a picture of the page in test-results/. */
export async function picture(page, name) {
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
}

function within(ms, promise, complaint) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${complaint} within ${ms} ms`)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
