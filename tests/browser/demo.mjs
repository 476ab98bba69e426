// Starts the demo in an empty folder, opens pages in Chromium, and leaves nothing behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const repository = fileURLToPath(new URL('../..', import.meta.url));
export const binary = process.env.SWITCHBOARD_BINARY ?? path.join(repository, 'target/debug/switchboard');
// without windows Chromium needs a quarter less of the processor
const browsers = process.env.CHROMIUM ? [process.env.CHROMIUM] : ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'];
const pictures = path.join(repository, 'test-results');

/** A process of ours: `says` waits for a line and gives what it holds, `stop` asks it to end and tells how it did. */
export function launch(command, args, { cwd, env = process.env, log }) {
  if (!existsSync(command)) throw new Error(`${command} is not there: cargo build`);
  const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const waiting = new Set();
  const ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve(signal ?? code)));
  const failed = new Promise((_, reject) => child.once('error', reject));
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      log.push(line);
      for (const look of waiting) look(line);
    });
  }
  const says = (pattern) => {
    const said = new Promise((resolve) => {
      const look = (line) => {
        const found = pattern.exec(line);
        if (found) waiting.delete(look), resolve(found[1]);
      };
      log.forEach(look);
      waiting.add(look);
    });
    const over = ended.then((result) => Promise.reject(new Error(`${args[0]} ended with ${result}`)));
    return within(60_000, Promise.race([said, over, failed]), `${args[0]} does not say ${pattern}`);
  };
  const stop = async () => {
    if (child.exitCode === null) child.kill('SIGTERM');
    return within(10_000, ended, `${args[0]} does not stop`).catch((error) => (child.kill('SIGKILL'), error));
  };
  return { says, stop };
}

/** The demo on free ports: `{ address, log, stop }`. Fails with all its output when it prints no address in a minute. */
export async function startDemo() {
  const folder = mkdtempSync(path.join(tmpdir(), 'switchboard-demo-'));
  const log = [];
  const demo = launch(binary, ['demo', '--port', '0', '--sandbox-port', '0'], { cwd: folder, log });
  const stop = async () => {
    const result = await demo.stop();
    rmSync(folder, { recursive: true, force: true });
    return result;
  };
  try {
    return { address: await demo.says(/(?:sandbox|песочниц).*?(http:\/\/\S+)/i), log, stop };
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${log.join('\n')}`);
  }
}

/** A page in Chromium: `{ page, complaints, close }`. Complaints are script errors and requests that leave this machine. */
export async function openPage(address, locale = 'ru-RU') {
  const browser = await chromium.launch({
    executablePath: browsers.find((browser) => existsSync(browser)),
    // Chromium's own sandbox refuses to work for root, as in most containers
    args: process.getuid() === 0 ? ['--no-sandbox'] : [],
  });
  const page = await browser.newPage({ viewport: { width: 1366, height: 900 }, locale, timezoneId: 'Europe/Moscow' });
  const complaints = [];
  page.on('pageerror', (error) => complaints.push(`script error: ${error.message}`));
  page.on('console', (message) => {
    // the browser tells of every refusal of the server; those that a test brings about on purpose are no error of the page
    const refusal = /^Failed to load resource: the server responded with a status of 4\d\d/.test(message.text());
    if (message.type() === 'error' && !refusal) complaints.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    const ours = ['data:', 'blob:'].includes(protocol) || ['127.0.0.1', 'localhost'].includes(hostname);
    if (!ours) complaints.push(`request to ${hostname}`);
  });
  await page.goto(address, { waitUntil: 'load' });
  return { page, complaints, close: () => browser.close() };
}

/** Looks until something is there, and gives it back. */
export async function until(what, look, within = 30_000) {
  const end = Date.now() + within;
  for (;;) {
    const found = await look();
    if (found) return found;
    assert.ok(Date.now() < end, `${what}: not within ${within} ms`);
    await wait(100);
  }
}

/** Keeps a picture of the page in test-results/, where somebody wants to look at it: PICTURES=1. */
export async function picture(page, name) {
  if (!process.env.PICTURES) return;
  mkdirSync(pictures, { recursive: true });
  await page.screenshot({ path: path.join(pictures, `${name}.png`), fullPage: true });
}

/** A wide screen and a phone. */
export const SIZES = [['1366', { width: 1366, height: 900 }], ['370', { width: 370, height: 800 }]];

/** Pictures of a page at every size, on which nothing may lie beside the screen. */
export async function look(page, name) {
  for (const [size, viewport] of SIZES) {
    await page.setViewportSize(viewport);
    await page.waitForTimeout(400); // what slides in has arrived
    await picture(page, `${name}-${size}`);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), 0, `${name} at ${size}`);
  }
  await page.setViewportSize(SIZES[0][1]);
}

function within(ms, promise, complaint) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${complaint} within ${ms} ms`)), ms)));
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
